#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "cli/program.hpp"

namespace krigon::cli {

/// Which study a command is about: a study file, or a study by name in a store.
struct StudyOption {
  std::string file;       ///< STUDY; empty: study.yaml here, where neither of the others is given
  std::string storage;    ///< --storage
  std::string name;       ///< --study
  std::string device;     ///< --device
  bool proposes = false;  ///< a command that may want another device than the CPU

  /// Adds STUDY, --storage and --study.
  void add_to(CommandBuilder& command);
  /// Adds --device.
  void add_device_to(CommandBuilder& command);
  /// Adds --storage and --study only: the file is among the command's other words.
  void add_options_to(CommandBuilder& command);
};

/// The place of a study, before anything was opened.
struct StudyPlace {
  std::optional<LoadedStudy> loaded;  ///< where a file was given
  std::filesystem::path file;
  std::filesystem::path folder;  ///< of the file; the working directory without one
  std::string url;             ///< of the store: --storage, KRIGON_STORAGE, the file's `storage:`, krigon.db
  std::string name;            ///< empty: the store's only study
  std::string device = "cpu";  ///< on which proposals are computed

  /// Where its trials have their folders.
  std::filesystem::path trials_folder(const std::string& study) const;
};

/// Reads the study file, where one is meant. Throws ConfigError, UsageError.
StudyPlace locate(const Context& context, const StudyOption& option);

/// A study in its store.
struct OpenStudy {
  StudyPlace place;
  std::shared_ptr<Storage> storage;
  StudyRecord record;
  Compute compute;

  std::unique_ptr<StudyManager> manager(const Context& context) const;
};

/// The study as it stands in the store. Throws NotFoundError when it or its store is not there.
OpenStudy open_study(const Context& context, const StudyOption& option);

/// The same, created in the store where it is not there, and brought to what the file says now: a
/// change of anything but space, objective and seed is a new revision; a change of those throws
/// ConflictError, for the trials told so far would mean something else.
OpenStudy open_or_create_study(const Context& context, StudyPlace place);
OpenStudy open_or_create_study(const Context& context, const StudyOption& option);

/// For commands that have its trials run: says what the rule of early stopping lacks where trials keep no
/// checkpoints. Throws UsageError where it cannot work. Of a study that is named by its file, reading that
/// has said it.
void check_checkpoint(const Context& context, const OpenStudy& study);

}  // namespace krigon::cli
