#include "cli/run_display.hpp"

#include <ctime>
#include <ostream>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "cli/trial_text.hpp"
#include "cli/values.hpp"
#include "render/human.hpp"
#include "render/width.hpp"

namespace krigon::cli {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(150);
constexpr auto kLogProgress = std::chrono::seconds(30);

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string metrics_text(const Metrics& metrics) {
  std::string text;
  for (const auto& [name, value] : metrics)
    text += (text.empty() ? "" : ", ") + name + " " + human_number(value);
  return text;
}

std::string notice(int interrupts) {
  if (interrupts <= 0) return "";
  if (interrupts == 1) return "no new trials: waiting for those that run (Ctrl-C again: stop them)";
  if (interrupts == 2) return "stopping the running trials (Ctrl-C again: kill them)";
  return "killing the running trials";
}

}  // namespace

RunDisplay::RunDisplay(Context& context, const StudyRecord& study, const Interrupts& interrupts, bool quiet)
    : context_(context),
      spec_(study.spec),
      interrupts_(interrupts),
      quiet_(quiet),
      live_display_(context.err_terminal.interactive && !quiet) {}

RunDisplay::~RunDisplay() {
  if (live_display_) context_.err << redraw(shown_, above_, {}) << std::flush;
}

void RunDisplay::say(const std::string& text, Color color, bool routine) {
  if (quiet_ || (routine && live_display_)) return;
  const std::string line =
      fmt::format("{:%H:%M:%S} {}\n", fmt::localtime(std::time(nullptr)),
                  live_display_ ? paint(printable(text), color, context_.err_terminal) : printable(text));
  if (live_display_) {
    above_ += line;
  } else {
    context_.err << line << std::flush;
  }
}

void RunDisplay::started(const TrialRecord& trial, const AttemptRecord& attempt) {
  live_[trial.number] = {SteadyClock::now(), 0, {}, false};
  const std::string again = attempt.number > 1 ? fmt::format(" (attempt {})", attempt.number) : "";
  say(fmt::format("trial {} started{}: {}", trial.number, again,
                  short_parameters_line(spec_.space, trial.parameters)),
      Color::plain, true);
}

void RunDisplay::reported(const TrialRecord& trial, std::int64_t step, const Metrics& metrics) {
  auto& live = live_[trial.number];
  live.step = step;
  const auto value = metrics.find(spec_.objective().metric);
  if (value != metrics.end()) live.value = value->second;
}

void RunDisplay::stopping(const TrialRecord& trial, const Judgement& judgement) {
  live_[trial.number].stopping = true;
  say(fmt::format("trial {} is stopped early: {}", trial.number, judgement.reason), Color::plain, true);
}

void RunDisplay::ended(const TrialRecord& trial, const Ended& how, bool new_best) {
  live_.erase(trial.number);
  const std::string took = human_duration(how.seconds);
  switch (trial.state) {
    case TrialState::completed:
      say(fmt::format("trial {} completed: {}{} ({})", trial.number, metrics_text(trial.metrics),
                      new_best ? ", the best so far" : "", took),
          Color::green, !new_best);
      break;
    case TrialState::failed: {
      const std::string error = last_line(how.stderr_tail);
      say(fmt::format("trial {} failed: {}{}", trial.number, trial.reason, error.empty() ? "" : ": " + error),
          Color::red, false);
      break;
    }
    case TrialState::queued:
      say(fmt::format("trial {} goes back to the queue: {}", trial.number, how.reason), Color::yellow, false);
      break;
    default:
      say(fmt::format("trial {} {} ({})", trial.number, to_string(trial.state), took), Color::plain, true);
  }
}

void RunDisplay::note(const std::string& text) {
  say(text, Color::yellow, false);
}

RunView RunDisplay::view(const RunState& state) const {
  RunView v;
  v.study = spec_.name;
  v.metric = spec_.objective().metric;
  v.max_steps = spec_.early_stopping.max_steps;
  v.completed = state.head.completed;
  v.stopped = state.head.stopped;
  v.failed = state.head.failed;
  v.queued = state.head.queued;
  for (const auto& [number, live] : live_) {
    v.running.push_back({number, live.step, live.value, seconds_since(live.since), live.stopping});
  }
  v.trial_budget = spec_.budget.trials;
  v.elapsed = state.elapsed;
  if (spec_.budget.time) {
    v.time_left_budget =
        static_cast<double>(spec_.budget.time->count()) / 1e3 - time_before_.value_or(0) - state.elapsed;
  }
  if (state.head.best_trial >= 0) {
    v.best = state.head.best_value;
    v.best_trial = state.head.best_trial;
    if (state.best_since >= 0) v.best_since = state.best_since;
  }
  v.ended_here = state.ended_here;
  v.notice = notice(state.interrupts);
  return v;
}

void RunDisplay::tick(const RunState& state) {
  interrupts_.drain();
  if (!time_before_)
    time_before_ = std::max(0.0, static_cast<double>(state.head.running_time) / kSecond - state.elapsed);
  if (quiet_) return;
  if (live_display_) {
    if (above_.empty() && SteadyClock::now() - drawn_ < kRedraw) return;
    view_ = view(state);
    draw();
  } else if (SteadyClock::now() - logged_ >= kLogProgress) {
    logged_ = SteadyClock::now();
    say(progress_line(view(state)), Color::plain, true);
  }
}

void RunDisplay::draw() {
  drawn_ = SteadyClock::now();
  if (context_.watch_err_terminal) context_.err_terminal = context_.watch_err_terminal();
  const auto lines = render_progress(*view_, context_.err_terminal);
  context_.err << redraw(shown_, above_, lines) << std::flush;
  above_.clear();
  shown_ = lines.size();
}

}  // namespace krigon::cli
