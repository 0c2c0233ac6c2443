#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "core/machine.hpp"
#include "core/storage.hpp"

namespace krigon {

/// What a manager changed itself of late, so that it need not read that again: with one manager at a study,
/// that is all there is to read. Thread-safe.
class OwnChanges {
 public:
  /// After a command was applied. What adds reports or decisions is not kept, and has to be read.
  void add(const Command& command, const Applied& applied);
  /// As Storage::changes_since(`sequence`) where `head` stands, if each event since then is kept.
  std::optional<Delta> since(std::int64_t sequence, const StudyHead& head);

 private:
  std::mutex lock_;
  std::deque<std::pair<std::int64_t, TrialRecord>> changes_;  ///< by sequence, one after the other
};

}  // namespace krigon
