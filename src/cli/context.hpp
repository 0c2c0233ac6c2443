#pragma once

#include <functional>
#include <iosfwd>
#include <string>

#include "cli/services.hpp"
#include "render/terminal.hpp"

namespace krigon::cli {

/// What a command works with: the world, as far as it may touch it.
struct Context {
  const Services& services;
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  Environment environment;  ///< as ::getenv
  Terminal out_terminal;
  Terminal err_terminal;
  bool in_is_terminal = false;
  std::function<Terminal()> watch_err_terminal = {};  ///< its size may change; empty: it does not

  /// The variable's value, "" when unset.
  std::string variable(const char* name) const {
    const char* value = environment(name);
    return value == nullptr ? "" : value;
  }
};

/// What a parsed command line asks for; returns an exit code.
using Action = std::function<int(Context&)>;

}  // namespace krigon::cli
