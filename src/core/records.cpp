#include "core/records.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon {
namespace {

template <class Enum, std::size_t N>
using Words = std::array<std::pair<Enum, std::string_view>, N>;

constexpr Words<TrialState, 7> kStates{{{TrialState::queued, "queued"},
                                        {TrialState::running, "running"},
                                        {TrialState::paused, "paused"},
                                        {TrialState::completed, "completed"},
                                        {TrialState::stopped, "stopped"},
                                        {TrialState::failed, "failed"},
                                        {TrialState::cancelled, "cancelled"}}};

constexpr Words<Outcome, 12> kOutcomes{{{Outcome::none, "none"},
                                        {Outcome::completed, "completed"},
                                        {Outcome::stopped, "stopped"},
                                        {Outcome::paused, "paused"},
                                        {Outcome::failed, "failed"},
                                        {Outcome::bad_result, "bad_result"},
                                        {Outcome::timed_out, "timed_out"},
                                        {Outcome::out_of_memory, "out_of_memory"},
                                        {Outcome::signalled, "signalled"},
                                        {Outcome::lost, "lost"},
                                        {Outcome::could_not_start, "could_not_start"},
                                        {Outcome::cancelled, "cancelled"}}};

constexpr Words<Direction, 2> kDirections{
    {{Direction::minimize, "minimize"}, {Direction::maximize, "maximize"}}};

template <class Enum, std::size_t N>
std::string_view word_of(const Words<Enum, N>& words, Enum value) {
  for (const auto& [key, word] : words) {
    if (key == value) return word;
  }
  return "unknown";
}

template <class Enum, std::size_t N>
Enum value_of(const Words<Enum, N>& words, std::string_view word, std::string_view what) {
  std::string allowed;
  for (const auto& [key, known] : words) {
    if (known == word) return key;
    allowed += allowed.empty() ? "" : ", ";
    allowed += known;
  }
  throw StorageError(fmt::format("unknown {} \"{}\" (known: {})", what, word, allowed));
}

}  // namespace

std::string_view to_string(TrialState state) {
  return word_of(kStates, state);
}
std::string_view to_string(Outcome outcome) {
  return word_of(kOutcomes, outcome);
}
std::string_view to_string(Direction direction) {
  return word_of(kDirections, direction);
}
TrialState trial_state_from(std::string_view word) {
  return value_of(kStates, word, "trial state");
}
Outcome outcome_from(std::string_view word) {
  return value_of(kOutcomes, word, "outcome");
}
Direction direction_from(std::string_view word) {
  return value_of(kDirections, word, "direction");
}

bool ended(TrialState state) {
  return state != TrialState::queued && state != TrialState::running && state != TrialState::paused;
}

}  // namespace krigon
