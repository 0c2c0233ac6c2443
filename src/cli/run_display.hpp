#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "cli/context.hpp"
#include "cli/interrupts.hpp"
#include "render/progress.hpp"
#include "worker/run_loop.hpp"

namespace krigon::cli {

/// Shows a run on context.err: drawn anew in place on a terminal, lines with the time of day elsewhere.
class RunDisplay final : public RunObserver {
 public:
  RunDisplay(Context& context, const StudyRecord& study, const Interrupts& interrupts, bool quiet);
  /// Takes the live display away and leaves what stands above it.
  ~RunDisplay() override;

  void started(const TrialRecord& trial, const AttemptRecord& attempt) override;
  void reported(const TrialRecord& trial, std::int64_t step, const Metrics& metrics) override;
  void stopping(const TrialRecord& trial, const Judgement& judgement) override;
  void ended(const TrialRecord& trial, const Ended& how, bool new_best) override;
  void tick(const RunState& state) override;
  void note(const std::string& text) override;

 private:
  using SteadyClock = std::chrono::steady_clock;
  struct Live {
    SteadyClock::time_point since;
    std::int64_t step = 0;
    std::optional<double> value;
    bool stopping = false;
  };
  /// `routine`: for logs only; a terminal's display shows it anyway.
  void say(const std::string& text, Color color, bool routine);
  void draw();
  RunView view(const RunState& state) const;

  Context& context_;
  const StudySpec& spec_;
  const Interrupts& interrupts_;
  bool quiet_;
  bool live_display_;
  std::map<std::int64_t, Live> live_;
  std::optional<double> time_before_;  ///< running seconds of the study when this run began
  std::optional<RunView> view_;
  std::size_t shown_ = 0;
  std::string above_;
  SteadyClock::time_point drawn_;
  SteadyClock::time_point logged_ = SteadyClock::now();
};

}  // namespace krigon::cli
