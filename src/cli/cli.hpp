#pragma once

#include <string>
#include <vector>

#include "cli/context.hpp"

namespace CLI {
class App;
}

namespace krigon::cli {

/// The whole command line's grammar, with help; parsing puts what to do into `action`.
void build(CLI::App& app, Action& action);

/// Parses the arguments (without the program's name) and does what they say. Never throws: errors go
/// to context.err as one message, and the exit code says their kind.
int run(const std::vector<std::string>& arguments, Context& context);

/// run() with the process's own arguments, streams and environment.
int main(int argc, char** argv, const Services& services);

}  // namespace krigon::cli
