#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/clock.hpp"
#include "core/storage.hpp"
#include "storage/storage.hpp"

namespace krigon::testing {

/// A clock that a test moves.
class ManualClock final : public Clock {
 public:
  TimeUs now() const override { return time; }
  std::atomic<TimeUs> time{1'700'000'000'000'000};
};

/// A folder that is gone with its owner.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// x in [0, 1], n in 1..10, kind "a" or "b"; minimizes "loss"; one retry.
StudySpec small_spec(const std::string& name = "study", Direction direction = Direction::minimize);
/// A point of that space; different for each `i` below 1000.
Parameters point(int i = 0);
/// A trial that runs at once.
CreateTrial running_trial(int i = 0);
/// A trial for the queue.
CreateTrial queued_trial(int i = 0);

/// Everything in a record as text, doubles bit for bit.
std::string describe(const StudyHead& head);
std::string describe(const TrialRecord& trial);
std::string describe(const AttemptRecord& attempt);
std::string describe(const ReportRecord& report);
std::string describe(const DecisionRecord& decision);
std::string describe(const EventRecord& event);
std::string describe(const Delta& delta);
template <class Record>
std::string describe(const std::vector<Record>& records) {
  std::string text;
  for (const auto& record : records) text += describe(record) + "\n";
  return text;
}
template <class Record>
std::string describe(const std::optional<Record>& record) {
  return record ? describe(*record) : "none";
}

/// All rows of a study: two stores, or two openings of one, hold the same when this is equal.
std::string everything(Storage& storage, std::int64_t study);

/// An implementation under test.
struct Implementation {
  const char* name;
  bool durable;  ///< outlives its process
  /// Of a store that belongs to the folder; what it needs is there.
  std::string (*url)(const std::filesystem::path& folder);
  bool (*available)();  ///< false: its tests are skipped
};

/// The suite's body runs once for each implementation of the contract in core/storage.hpp.
class StorageTest : public ::testing::TestWithParam<Implementation> {
 protected:
  StorageTest();
  ~StorageTest() override;
  void SetUp() override;
  /// Another opening of the same store. Precondition: durable.
  std::shared_ptr<Storage> open_again(bool read_only = false);
  /// A study of small_spec().
  std::int64_t make_study(Direction direction = Direction::minimize);

  Applied apply(const Command& command) { return storage->apply(study, command); }
  /// A running trial's fence.
  std::int64_t fence(const Applied& applied) { return applied.attempt.value().fence; }

  TemporaryFolder folder;
  ManualClock clock;
  std::shared_ptr<Storage> storage;
  std::int64_t study = 0;
};

/// "memory", "sqlite", "postgresql".
std::string implementation_name(const ::testing::TestParamInfo<Implementation>& info);
const std::vector<Implementation>& implementations();
/// What implementations' URLs made; by the process that made it alone, not by its children.
void drop_databases();

}  // namespace krigon::testing
