#include "propose/maximise.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "core/random.hpp"
#include "kernels/acquisition/log_ei.hpp"
#include "propose/candidates.hpp"
#include "propose/refine.hpp"
#include "propose/training.hpp"
#include "tests/support/told.hpp"

namespace krigon {
namespace {

using testing::Told;

// A model of a random function over a space, fixed hyperparameters, and its log expected improvement.
class Case {
 public:
  explicit Case(const Space& space, double log_lengthscale = -1)
      : backend_(make_cpu_backend()), encoding_(space), study_(space), taken_(encoding_, study_.history()) {
    GpData data;
    for (const std::size_t c : encoding_.column_coordinate())
      data.groups.push_back(static_cast<std::int32_t>(c));
    const auto points = sobol_candidates(encoding_, 20, 3);
    data.columns = rows_of(encoding_, false, points);
    Random random(5, 0, Purpose::candidates);
    for (std::size_t i = 0; i < points.size(); ++i) {
      data.y.push_back(std::abs(points[i][0] - 0.6) + 0.3 * random.normal());
    }
    data.n = points.size();
    incumbents_ = {points[0], points[1], points[2]};
    const auto transform = OutputTransform::of(data.y, OutputScaling::standardise);
    posterior_ = std::make_unique<Posterior>(
        *backend_, data, Hyperparameters{std::vector<double>(encoding_.dims(), log_lengthscale), {0}, -6, 0},
        transform);
    acquisition_ =
        std::make_unique<Acquisition>(std::vector<Acquisition::Part>{{posterior_.get(), log_ei(-1.5)}});
  }

  const Encoding& encoding() const { return encoding_; }
  MaximiseProblem problem() {
    return {*acquisition_, encoding_, false, taken_, nullptr, incumbents_, nullptr, 7, 30};
  }

 private:
  std::unique_ptr<Backend> backend_;
  Encoding encoding_;
  Told study_;
  Taken taken_;
  std::vector<Point> incumbents_;
  std::unique_ptr<Posterior> posterior_;
  std::unique_ptr<Acquisition> acquisition_;
};

Space plane() {
  return Space({{"x", RealDomain{0, 1, Scale::linear, {}}}, {"y", RealDomain{0, 1, Scale::linear, {}}}});
}

TEST(Maximise, FindsTheTopOfASmoothFunction) {
  Case c(plane());
  std::vector<Point> grid;
  for (int i = 0; i <= 200; ++i) {
    for (int j = 0; j <= 200; ++j) grid.push_back({i / 200.0, j / 200.0});
  }
  const auto values = values_of(c.problem(), grid);
  const double top = *std::max_element(values.begin(), values.end());
  const auto found = maximise(c.problem(), {}, nullptr);
  ASSERT_TRUE(found);
  EXPECT_GE(found->value, top);
  EXPECT_LT(found->value, top + 0.05);
  EXPECT_FALSE(found->repeated);
}

TEST(Maximise, OverLevelsFindsWhatListingThemAllFinds) {
  // Small enough to list, searched as if it were not.
  const Space space({{"kind", CategoricalDomain{{Value{"a"}, Value{"b"}, Value{"c"}}, false}},
                     {"n", IntegerDomain{1, 9, Scale::linear, 1}, {{"kind", {Value{"a"}, Value{"b"}}}}},
                     {"m", IntegerDomain{1, 40, Scale::log, 1}},
                     {"o", CategoricalDomain{{Value{false}, Value{true}}, false}, {{"kind", {Value{"b"}}}}}},
                    {"n * m <= 200"});
  Case c(space);
  const auto listed = list_points(c.encoding(), 10'000);
  ASSERT_TRUE(listed);
  auto problem = c.problem();
  problem.listed = &*listed;
  const auto best = maximise(problem, {}, nullptr);
  problem.listed = nullptr;
  MaximiseOptions few;
  few.sobol = 64;
  const auto searched = maximise(problem, few, nullptr);
  ASSERT_TRUE(best && searched);
  EXPECT_EQ(searched->point, best->point);
}

TEST(Maximise, RefinementGainsOnEveryStartAndStaysFeasible) {
  const Space space({{"kind", CategoricalDomain{{Value{"a"}, Value{"b"}}, false}},
                     {"x", RealDomain{0, 1, Scale::linear, {}}, {{"kind", {Value{"a"}}}}},
                     {"y", RealDomain{0, 1, Scale::linear, {}}},
                     {"z", IntegerDomain{1, 200, Scale::linear, 1}}},
                    {"y + z / 200 <= 1"});
  Case c(space);
  std::vector<Candidate> starts;
  for (auto& point : sobol_candidates(c.encoding(), 30, 11)) starts.push_back({point, 0});
  for (auto& start : starts) start.value = values_of(c.problem(), std::vector<Point>{start.point}).front();
  auto refined = starts;
  refine(c.problem(), {}, refined);
  double gain = 0;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    EXPECT_GE(refined[i].value, starts[i].value);
    EXPECT_NO_THROW(space.validate(c.encoding().decode(refined[i].point)));
    EXPECT_DOUBLE_EQ(values_of(c.problem(), std::vector<Point>{refined[i].point}).front(), refined[i].value);
    gain += refined[i].value - starts[i].value;
  }
  EXPECT_GT(gain / 30, 0.5);
}

TEST(Maximise, TakenPointsAreLeftUnlessThereIsNothingElse) {
  const Space space(std::vector<Parameter>{{"n", IntegerDomain{1, 5, Scale::linear, 1}}});
  Case c(space);
  Told study(space);
  const auto listed = list_points(c.encoding(), 10);
  for (int i = 0; i < 5; ++i) {
    const Taken taken(c.encoding(), study.history());
    MaximiseProblem problem = c.problem();
    MaximiseProblem with{problem.acquisition, problem.encoding, false, taken, nullptr, {}, &*listed, 1, 1};
    const auto found = maximise(with, {}, nullptr);
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->repeated);
    EXPECT_FALSE(taken.contains(found->point));
    study.add(c.encoding().decode(found->point));
  }
  const Taken taken(c.encoding(), study.history());
  MaximiseProblem problem = c.problem();
  const auto found = maximise(
      {problem.acquisition, problem.encoding, false, taken, nullptr, {}, &*listed, 1, 1}, {}, nullptr);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->repeated);
}

TEST(Maximise, TheCrowdIsKeptOutOf) {
  Case c(plane());
  const auto alone = maximise(c.problem(), {}, nullptr);
  ASSERT_TRUE(alone);
  const Crowd crowd(c.encoding(), std::vector{0.0, 0.0}, {alone->point});
  auto problem = c.problem();
  problem.crowd = &crowd;
  const auto apart = maximise(problem, {}, nullptr);
  ASSERT_TRUE(apart);
  EXPECT_FALSE(crowd.contains(apart->point));
  EXPECT_LE(apart->value, alone->value);
  // Everything is crowded: entered after all.
  std::vector<Point> everywhere;
  for (int i = 0; i < 40; ++i) {
    for (int j = 0; j < 40; ++j) everywhere.push_back({(i + 0.5) / 40, (j + 0.5) / 40});
  }
  const Crowd full(c.encoding(), std::vector{0.0, 0.0}, everywhere);
  problem.crowd = &full;
  const auto inside = maximise(problem, {}, nullptr);
  ASSERT_TRUE(inside);
  EXPECT_EQ(inside->point, alone->point);
}

}  // namespace
}  // namespace krigon
