#include "render/progress.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "render/human.hpp"
#include "render/width.hpp"

namespace krigon {
namespace {

constexpr std::size_t kRunningLines = 8;
constexpr std::size_t kOtherLines = 7;  // the four above them, two below, and the cursor's

/// A line built of painted pieces that knows how wide it is, and takes no piece that does not fit.
class Line {
 public:
  explicit Line(const Terminal& terminal)
      : terminal_(terminal), room_(static_cast<std::size_t>(terminal.columns)) {}

  /// The piece, cut where the line ends.
  Line& add(const std::string& text, Color color = Color::plain) {
    const std::string cut = truncate(printable(text), room_);
    room_ -= std::min(room_, display_width(cut));
    text_ += paint(cut, color, terminal_);
    return *this;
  }
  /// The piece if all of it fits, behind a separator.
  Line& add_whole(const std::string& text, Color color = Color::plain) {
    const std::string separator = empty_ ? "" : terminal_.unicode ? " \u00b7 " : ", ";
    if (display_width(separator) + display_width(printable(text)) > room_) return *this;
    add(separator, Color::dim);
    add(text, color);
    empty_ = false;
    return *this;
  }
  /// As render_bar(), `columns` wide.
  Line& add_bar(double fraction, int columns) {
    text_ += render_bar(fraction, columns, terminal_);
    room_ -= std::min(room_, static_cast<std::size_t>(columns));
    return *this;
  }
  std::size_t room() const { return room_; }
  std::string text() const { return text_; }

 private:
  const Terminal& terminal_;
  std::size_t room_;
  std::string text_;
  bool empty_ = true;
};

std::string trials_text(const RunView& view) {
  if (!view.trial_budget) return count_of(view.finished(), "trial");
  return fmt::format("{}/{} trials", view.finished(), *view.trial_budget);
}

/// How far the run is, by trials or by time, whichever is nearer to its end; nullopt without a budget.
std::optional<double> fraction_done(const RunView& view) {
  std::optional<double> fraction;
  if (view.trial_budget && *view.trial_budget > 0) {
    fraction = static_cast<double>(view.finished()) / static_cast<double>(*view.trial_budget);
  }
  if (view.time_left_budget) {
    const double total = view.elapsed + std::max(0.0, *view.time_left_budget);
    const double by_time = total > 0 ? view.elapsed / total : 1.0;
    fraction = std::max(fraction.value_or(0), by_time);
  }
  return fraction;
}

std::string best_text(const RunView& view) {
  return fmt::format("best {} {} (trial {})", view.metric, human_number(*view.best), view.best_trial);
}

std::string head_line(const RunView& view, const Terminal& terminal) {
  Line line(terminal);
  line.add(view.study, Color::bold).add("  ");
  const auto fraction = fraction_done(view);
  const std::string counts = trials_text(view);
  if (fraction) {
    const std::string percent = fmt::format("{:.0f}%", 100 * std::min(1.0, *fraction));
    const auto needed = display_width(counts) + display_width(percent) + 4;
    if (line.room() >= needed + 10) {
      line.add_bar(*fraction, static_cast<int>(std::min<std::size_t>(40, line.room() - needed))).add("  ");
    }
    line.add(counts).add("  ").add(percent, Color::dim);
  } else {
    line.add(counts);
  }
  return line.text();
}

std::string counts_line(const RunView& view, const Terminal& terminal) {
  Line line(terminal);
  line.add("  ");
  line.add_whole(fmt::format("{} completed", view.completed), Color::green);
  line.add_whole(fmt::format("{} running", view.running.size()), Color::cyan);
  line.add_whole(fmt::format("{} stopped early", view.stopped),
                 view.stopped > 0 ? Color::yellow : Color::dim);
  line.add_whole(fmt::format("{} failed", view.failed), view.failed > 0 ? Color::red : Color::dim);
  if (view.queued > 0) line.add_whole(fmt::format("{} queued", view.queued));
  return line.text();
}

std::string best_line(const RunView& view, const Terminal& terminal) {
  Line line(terminal);
  line.add("  ");
  if (!view.best) return line.add(fmt::format("no {} yet", view.metric), Color::dim).text();
  line.add_whole(best_text(view), Color::bold);
  line.add_whole(
      view.best_since ? fmt::format("{} ago", human_duration(*view.best_since)) : "before this run",
      Color::dim);
  return line.text();
}

std::string time_line(const RunView& view, const Terminal& terminal) {
  Line line(terminal);
  line.add("  ");
  if (const auto speed = trials_per_minute(view)) {
    line.add_whole(fmt::format("{} trials/min", human_number(*speed, 3)));
  }
  line.add_whole(fmt::format("{} so far", human_duration(view.elapsed)));
  if (const auto left = seconds_left(view))
    line.add_whole(fmt::format("about {} left", human_duration(*left)));
  return line.text();
}

std::string running_line(const RunningTrial& trial, const RunView& view, const Terminal& terminal) {
  Line line(terminal);
  line.add("    ");
  line.add(fmt::format("trial {:<4} ", trial.number), Color::cyan);
  if (trial.step > 0) {
    line.add_whole(view.max_steps > 0 ? fmt::format("step {}/{}", trial.step, view.max_steps)
                                      : fmt::format("step {}", trial.step));
  }
  if (trial.value) line.add_whole(fmt::format("{} {}", view.metric, human_number(*trial.value)));
  line.add_whole(human_duration(trial.seconds), Color::dim);
  if (trial.stopping) line.add_whole("stopping", Color::yellow);
  return line.text();
}

}  // namespace

std::optional<double> trials_per_minute(const RunView& view) {
  if (view.ended_here < 1 || view.elapsed <= 0) return std::nullopt;
  return static_cast<double>(view.ended_here) * 60 / view.elapsed;
}

std::optional<double> seconds_left(const RunView& view) {
  std::optional<double> left;
  const auto speed = trials_per_minute(view);
  if (speed && view.trial_budget) {
    left = static_cast<double>(std::max<std::int64_t>(0, *view.trial_budget - view.finished())) * 60 / *speed;
  }
  if (view.time_left_budget) {
    const double by_time = std::max(0.0, *view.time_left_budget);
    left = left ? std::min(*left, by_time) : by_time;
  }
  return left;
}

std::string render_bar(double fraction, int width, const Terminal& terminal) {
  if (width < 1) return "";
  const double share = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
  if (!terminal.unicode) {
    const auto inner = static_cast<std::size_t>(std::max(0, width - 2));
    const auto full = static_cast<std::size_t>(share * static_cast<double>(inner));
    return "[" + std::string(full, '#') + std::string(inner - full, '.') + "]";
  }
  // Halves: the heavy line ends in a half one.
  const auto halves = static_cast<int>(std::lround(share * width * 2));
  std::string done, rest;
  for (int i = 0; i < halves / 2; ++i) done += "\u2501";
  if (halves % 2 == 1) done += "\u2578";
  for (int i = (halves + 1) / 2; i < width; ++i) rest += "\u2500";
  return paint(done, Color::green, terminal) + paint(rest, Color::dim, terminal);
}

std::vector<std::string> render_progress(const RunView& view, const Terminal& terminal) {
  std::vector<std::string> lines{head_line(view, terminal), counts_line(view, terminal),
                                 best_line(view, terminal), time_line(view, terminal)};
  // A display taller than the terminal could not be drawn over.
  const auto rows = static_cast<std::size_t>(std::max(0, terminal.rows));
  const std::size_t shown =
      std::min({view.running.size(), kRunningLines, rows > kOtherLines ? rows - kOtherLines : 0});
  for (std::size_t i = 0; i < shown; ++i) lines.push_back(running_line(view.running[i], view, terminal));
  if (shown > 0 && view.running.size() > shown) {
    Line line(terminal);
    lines.push_back(line.add(fmt::format("    and {} more", view.running.size() - shown), Color::dim).text());
  }
  if (!view.notice.empty()) {
    Line line(terminal);
    lines.push_back(line.add("  ").add(view.notice, Color::yellow).text());
  }
  return lines;
}

std::string progress_line(const RunView& view) {
  std::vector<std::string> parts{trials_text(view), fmt::format("{} completed", view.completed),
                                 fmt::format("{} running", view.running.size()),
                                 fmt::format("{} stopped early", view.stopped),
                                 fmt::format("{} failed", view.failed)};
  if (view.best) parts.push_back(best_text(view));
  if (const auto speed = trials_per_minute(view)) {
    parts.push_back(fmt::format("{} trials/min", human_number(*speed, 3)));
  }
  if (const auto left = seconds_left(view))
    parts.push_back(fmt::format("about {} left", human_duration(*left)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string redraw(std::size_t shown, const std::string& above, const std::vector<std::string>& lines) {
  std::string out;
  if (shown > 0) out += fmt::format("\r\x1b[{}A\x1b[J", shown);
  out += above;
  for (const auto& line : lines) out += line + "\n";
  return out;
}

}  // namespace krigon
