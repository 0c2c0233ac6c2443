#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "render/terminal.hpp"

namespace krigon {

/// A running trial, as a line of the live display.
struct RunningTrial {
  std::int64_t number = 0;
  std::int64_t step = 0;        ///< last reported, 0 before the first
  std::optional<double> value;  ///< the objective's, at that step
  double seconds = 0;           ///< since it started
  bool stopping = false;
};

/// What the live display of a run shows.
struct RunView {
  std::string study;
  std::string metric;
  std::int64_t max_steps = 0;  ///< 0: not known
  std::int64_t completed = 0, stopped = 0, failed = 0, queued = 0;
  std::vector<RunningTrial> running;
  std::optional<std::int64_t> trial_budget;
  std::optional<double> time_left_budget;  ///< seconds that the time budget leaves
  std::optional<double> best;
  std::int64_t best_trial = -1;
  std::optional<double> best_since;  ///< seconds since it was told; unset: before this run
  double elapsed = 0;                ///< seconds of this run
  std::int64_t ended_here = 0;       ///< trials ended in this run, for the speed
  std::string notice;                ///< what a Ctrl-C has set going; empty otherwise

  std::int64_t finished() const { return completed + stopped + failed; }
};

/// Trials a minute in this run; nullopt before the first has ended.
std::optional<double> trials_per_minute(const RunView& view);

/// Seconds that the run will probably take yet: by its speed, but no longer than its time budget;
/// nullopt where neither says anything.
std::optional<double> seconds_left(const RunView& view);

/// A bar of `width` columns, `fraction` of it filled (clamped to [0, 1]).
std::string render_bar(double fraction, int width, const Terminal& terminal);

/// The live display: some lines, none wider than the terminal, without line ends.
std::vector<std::string> render_progress(const RunView& view, const Terminal& terminal);

/// The same in one plain line, for logs.
std::string progress_line(const RunView& view);

/// What to write to a terminal that shows `shown` lines of an earlier display so that it shows
/// `lines` instead, `above` (whole lines ending in '\n', or empty) being left standing above them.
std::string redraw(std::size_t shown, const std::string& above, const std::vector<std::string>& lines);

}  // namespace krigon
