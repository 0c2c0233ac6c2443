#pragma once

#include <stdexcept>
#include <string>

#pragma GCC visibility push(default)

namespace krigon {

/// Base of everything Krigon throws. The message says what was found, where, and what is allowed.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller passed something that can never work: a bad argument, an unknown name.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// A search space, a constraint or a point in it is wrong.
class SpaceError : public Error {
 public:
  using Error::Error;
};

/// A study file is wrong. The message starts with "file:line: ".
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// A study, trial or attempt does not exist.
class NotFoundError : public Error {
 public:
  using Error::Error;
};

/// A request contradicts what is already recorded: a second, different tell, a lower step,
/// a report by an attempt that lost its lease. What was recorded stands.
class ConflictError : public Error {
 public:
  using Error::Error;
};

/// The store cannot be read or written: disk full, read-only, written by a newer version.
class StorageError : public Error {
 public:
  using Error::Error;
};

/// The operating system refused something that the run needs: a process, a folder, a device.
class EnvironmentError : public Error {
 public:
  using Error::Error;
};

/// A device has too little memory for what was asked of it. The message says how much, and how much is free.
class DeviceMemoryError : public EnvironmentError {
 public:
  using EnvironmentError::EnvironmentError;
};

}  // namespace krigon

#pragma GCC visibility pop
