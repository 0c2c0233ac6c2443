#include "render/progress.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "render/width.hpp"

namespace krigon {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

RunView view() {
  RunView v;
  v.study = "digits-mlp";
  v.metric = "accuracy";
  v.max_steps = 27;
  v.completed = 18;
  v.stopped = 4;
  v.failed = 1;
  v.running = {{23, 9, 0.9123456, 12.2, false}, {24, 0, std::nullopt, 0.3, false}};
  v.trial_budget = 60;
  v.best = 0.9741234;
  v.best_trial = 17;
  v.best_since = 72;
  v.elapsed = 111;
  v.ended_here = 23;
  return v;
}

Terminal terminal(int columns = 80, bool unicode = true) {
  Terminal t;
  t.interactive = true;
  t.unicode = unicode;
  t.columns = columns;
  return t;
}

TEST(RenderProgress, ShowsTheRun) {
  EXPECT_EQ(joined(render_progress(view(), terminal())),
            "digits-mlp  ━━━━━━━━━━━━━━━╸────────────────────────  23/60 trials  38%\n"
            "  18 completed · 2 running · 4 stopped early · 1 failed\n"
            "  best accuracy 0.974123 (trial 17) · 1 min 12 s ago\n"
            "  12.4 trials/min · 1 min 51 s so far · about 2 min 59 s left\n"
            "    trial 23   step 9/27 · accuracy 0.912346 · 12 s\n"
            "    trial 24   0.3 s\n");
}

TEST(RenderProgress, PlainAsciiWhereTheLocaleHasNoMore) {
  EXPECT_EQ(joined(render_progress(view(), terminal(60, false))),
            "digits-mlp  [##########.................]  23/60 trials  38%\n"
            "  18 completed, 2 running, 4 stopped early, 1 failed\n"
            "  best accuracy 0.974123 (trial 17), 1 min 12 s ago\n"
            "  12.4 trials/min, 1 min 51 s so far, about 2 min 59 s left\n"
            "    trial 23   step 9/27, accuracy 0.912346, 12 s\n"
            "    trial 24   0.3 s\n");
}

TEST(RenderProgress, AtTheStart) {
  RunView v;
  v.study = "s";
  v.metric = "loss";
  v.elapsed = 0.2;
  EXPECT_EQ(joined(render_progress(v, terminal())),
            "s  0 trials\n"
            "  0 completed · 0 running · 0 stopped early · 0 failed\n"
            "  no loss yet\n"
            "  0.2 s so far\n");
}

TEST(RenderProgress, SaysWhatCtrlCSetGoing) {
  auto v = view();
  v.running[0].stopping = true;
  v.notice = "stopping the running trials";
  const auto lines = render_progress(v, terminal());
  EXPECT_THAT(lines.at(4), testing::HasSubstr("stopping"));
  EXPECT_EQ(lines.back(), "  stopping the running trials");
}

TEST(RenderProgress, NoLineIsWiderThanTheTerminal) {
  auto v = view();
  v.study = "ein-sehr-langer-name-精度精度精度精度精度精度精度精度精度精度";
  v.metric = "精度精度精度精度精度精度精度";
  for (int columns = 20; columns < 120; ++columns) {
    for (const auto& line : render_progress(v, terminal(columns))) {
      EXPECT_LE(display_width(line), static_cast<std::size_t>(columns)) << line;
    }
  }
}

TEST(RenderProgress, FitsTheTerminalsHeight) {
  auto v = view();
  v.notice = "no new trials";
  for (std::int64_t i = 0; i < 30; ++i) v.running.push_back({30 + i, 1, 0.5, 1.0, false});
  auto t = terminal();
  EXPECT_THAT(joined(render_progress(v, t)), testing::HasSubstr("and 24 more"));
  for (int rows = 7; rows < 30; ++rows) {
    t.rows = rows;
    EXPECT_LT(render_progress(v, t).size(), static_cast<std::size_t>(rows));
  }
}

TEST(RenderProgress, AStudysNameCannotSteerTheTerminal) {
  auto v = view();
  v.study = "a\x1b[2J";
  EXPECT_THAT(joined(render_progress(v, terminal())), testing::Not(testing::HasSubstr("\x1b")));
}

TEST(RenderProgress, ColoursWhatMatters) {
  auto t = terminal();
  t.color = true;
  const auto lines = render_progress(view(), t);
  EXPECT_THAT(lines.at(1), testing::HasSubstr("\x1b[31m1 failed\x1b[0m"));
  EXPECT_THAT(lines.at(2), testing::HasSubstr("\x1b[1mbest accuracy 0.974123 (trial 17)\x1b[0m"));
}

TEST(TimeLeft, FollowsTheNearerBudget) {
  auto v = view();
  EXPECT_NEAR(*trials_per_minute(v), 12.43, 0.01);
  EXPECT_NEAR(*seconds_left(v), 178.6, 0.1);
  v.time_left_budget = 60;
  EXPECT_DOUBLE_EQ(*seconds_left(v), 60);
  v.trial_budget.reset();
  EXPECT_DOUBLE_EQ(*seconds_left(v), 60);
  v.time_left_budget = -1;
  EXPECT_DOUBLE_EQ(*seconds_left(v), 0);
  v.time_left_budget.reset();
  EXPECT_FALSE(seconds_left(v));
  v.ended_here = 0;
  EXPECT_FALSE(trials_per_minute(v));
}

TEST(ProgressLine, IsOneLineForLogs) {
  EXPECT_EQ(
      progress_line(view()),
      "23/60 trials, 18 completed, 2 running, 4 stopped early, 1 failed, best accuracy 0.974123 (trial 17), "
      "12.4 trials/min, about 2 min 59 s left");
}

TEST(RenderBar, StaysWithinItsWidth) {
  EXPECT_EQ(render_bar(0, 4, terminal()), "────");
  EXPECT_EQ(render_bar(0.125, 4, terminal()), "╸───");
  EXPECT_EQ(render_bar(1, 4, terminal()), "━━━━");
  EXPECT_EQ(render_bar(7, 4, terminal()), "━━━━");
  EXPECT_EQ(render_bar(-7, 4, terminal()), "────");
  EXPECT_EQ(render_bar(0.5, 6, terminal(80, false)), "[##..]");
  EXPECT_EQ(render_bar(0.5, 0, terminal()), "");
}

TEST(Redraw, GoesUpOverWhatWasShown) {
  EXPECT_EQ(redraw(0, "", {"a", "b"}), "a\nb\n");
  EXPECT_EQ(redraw(2, "log\n", {"a"}), "\r\x1b[2A\x1b[Jlog\na\n");
  EXPECT_EQ(redraw(3, "", {}), "\r\x1b[3A\x1b[J");
}

}  // namespace
}  // namespace krigon
