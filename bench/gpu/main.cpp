// What the engine does on a GPU against what its libraries do alone, and whether it agrees with the CPU.
//
//   krigon-bench-gpu [--quick] [--device cuda|cuda-on-host] [--data FOLDER]
//
// scripts/bench gpu runs it, with the conformance suite and compute-sanitizer; --data writes the fits' data
// for peers. Exit code 1 where something failed or differs; a bar that is not reached is a line of the table.

#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "backend/choose.hpp"
#include "core/device.hpp"
#include "krigon/error.hpp"
#include "table.hpp"

int main(int argc, char** argv) {
  using namespace krigon;
  using namespace krigon::bench;
  Sizes sizes;
  std::string device = "cuda";
  std::string folder;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--quick") {
      sizes = {.quick = true,
               .factor = 64,
               .fit = 40,
               .peer_fit = 20,
               .posterior = 30,
               .candidates = 50,
               .repeats = 1};
    } else if ((option == "--device" || option == "--data") && i + 1 < argc) {
      (option == "--device" ? device : folder) = argv[++i];
    } else {
      fmt::print(stderr,
                 "usage: krigon-bench-gpu [--quick] [--device cuda|cuda:N|cuda-on-host] [--data FOLDER]\n");
      return 2;
    }
  }
  try {
    const ChosenBackend chosen = choose_backend(device);
    if (chosen.backend->info().device == "cpu") throw UsageError("this measures a GPU: --device cuda");
    const BackendInfo info = chosen.backend->info();
    fmt::print("device:    {}, {}, {}\n\n{:<66}{:>11}{:>12}\n", chosen.line, info.instructions, info.blas,
               "what", "figure", "bar");
    bool fine = agrees_with_the_cpu(*chosen.backend, sizes);
    const auto attempt = [&fine](const char* what, const auto& act) {
      try {
        act();
      } catch (const Error& error) {
        fmt::print("{}: FAILED: {}\n", what, error.what());
        fine = false;
      }
      std::fflush(stdout);
    };
    attempt("factorisation",
            [&] { time_factorisation(*chosen.backend, cuda_device(device).value_or(0), sizes); });
    attempt("acquisition", [&] { time_acquisition(*chosen.backend, sizes); });
    attempt("fit", [&] { time_fits(*chosen.backend, sizes, folder); });
    return fine ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "krigon-bench-gpu: {}\n", error.what());
    return 1;
  }
}
