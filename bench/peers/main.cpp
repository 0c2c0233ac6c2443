// Krigon against its peers, by turns within one run.
//
//   krigon-bench-peers [--quick]
//
// Needs `scripts/setup --peers`. Exit code 1 where a bar is not reached.

#include <csignal>
#include <cstring>

#include <fmt/format.h>

#include "peer.hpp"

int main(int argc, char** argv) {
  const bool quick = argc == 2 && std::strcmp(argv[1], "--quick") == 0;
  if (argc > 1 && !quick) {
    fmt::print(stderr, "usage: krigon-bench-peers [--quick]\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);  // a peer that dies is an answer that does not come
  try {
    bool passed = krigon::bench::bench_fit(quick);
    fmt::print("\n");
    passed = krigon::bench::bench_acquisition(quick) && passed;
    fmt::print("\n");
    passed = krigon::bench::bench_ask(quick) && passed;
    if (quick) fmt::print("\na quick run shows that it works; it is not judged\n");
    return passed ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "krigon-bench-peers: {}\n", error.what());
    return 1;
  }
}
