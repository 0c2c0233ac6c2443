#pragma once

#include <source_location>
#include <string>

/// How the runtime says that a program broke CUDA's rules: a message on standard error, with the kernel's
/// launch, block and thread where one runs, and exit code 77. Not an exception, which the code under test
/// could catch, and not a status, which it could ignore.
namespace krigon::host_cuda {

constexpr int kViolationExitCode = 77;

[[noreturn]] void violation(const std::string& message);
[[noreturn]] void violation(const std::string& message, std::source_location where);

std::string to_string(std::source_location where);

/// The same from a signal handler: adds the machine's stack to the message.
[[noreturn]] void violation_with_stack(const std::string& message);

}  // namespace krigon::host_cuda
