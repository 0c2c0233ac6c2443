#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/acquisition/marginal.hpp"
#include "krigon/error.hpp"
#include "propose/acquisition/boxes.hpp"
#include "propose/acquisition/table.hpp"
#include "tests/unit/propose/moments.hpp"

namespace krigon {
namespace {

// Settings that suit every acquisition, with q points and two objectives.
struct Everything {
  explicit Everything(std::size_t q)
      : base(normal_points(32, 2 * q)),
        bests(32, -0.2),
        smallest{-2, -1.5},
        boxes(improvement_boxes(std::vector<double>{0, 1.5, 0.5, 0.75}, std::vector<double>{2, 2})) {
    settings.best = -0.2;
    settings.noise = 0.1;
    settings.q = static_cast<std::int32_t>(q);
    settings.samples = 16;
    settings.base = base.data();
    settings.bests = bests.data();
    settings.smallest = smallest;
    settings.boxes = boxes.view();
  }
  std::vector<double> base, bests, smallest;
  Boxes boxes;
  AcquisitionSettings settings;
};

TEST(AcquisitionTable, HoldsEveryKindOnceUnderOneName) {
  Everything all(2);
  std::set<std::string_view> names;
  std::set<MarginalKind> marginal;
  std::set<SampledKind> sampled;
  for (const AcquisitionEntry& entry : acquisition_table()) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_EQ((entry.marginal != nullptr) + (entry.sampled != nullptr) + (entry.joint != nullptr), 1)
        << entry.name;
    EXPECT_FALSE(entry.summary.empty()) << entry.name;
    if (entry.marginal != nullptr) {
      EXPECT_TRUE(marginal.insert(entry.marginal(all.settings).kind).second) << entry.name;
    }
    if (entry.sampled != nullptr) {
      EXPECT_TRUE(sampled.insert(entry.sampled(all.settings).kind).second) << entry.name;
    }
    EXPECT_EQ(&find_acquisition(entry.name), &entry);
  }
#define KRIGON_FOUND(name) EXPECT_EQ(marginal.count(MarginalKind::name), 1u) << #name;
  KRIGON_MARGINALS(KRIGON_FOUND)
#undef KRIGON_FOUND
#define KRIGON_FOUND(name) EXPECT_EQ(sampled.count(SampledKind::name), 1u) << #name;
  KRIGON_SAMPLED(KRIGON_FOUND)
#undef KRIGON_FOUND
}

TEST(AcquisitionTable, EveryValueGoesWithItsAdjoint) {
  Random random(1, 1, Purpose::candidates);
  std::vector<double> scratch;
  for (const std::size_t q : {1u, 3u}) {
    Everything all(q);
    for (const AcquisitionEntry& entry : acquisition_table()) {
      SCOPED_TRACE(testing::Message() << entry.name << " q " << q);
      const std::size_t count = acquisition_moments(entry, all.settings);
      const bool several = entry.name == "log-ehvi" || entry.name == "q-log-ehvi";
      const std::size_t points = entry.marginal != nullptr || entry.name == "log-ehvi" ? 1 : q;
      const std::size_t means = entry.name == "q-log-nei" ? 16 : 1;
      std::vector<double> moments = random_moments(random, points, 0.4, 0.6, means);
      const std::size_t block = moments.size();
      if (several) {
        const auto other = random_moments(random, points, 0.6, 0.6);
        moments.insert(moments.end(), other.begin(), other.end());
      }
      ASSERT_EQ(moments.size(), count);
      if (entry.name == "log-kg" && q == 1) continue;  // nothing to choose from
      std::vector<double> adjoint(count), unused(count);
      const double value = evaluate_acquisition(entry, all.settings, moments, adjoint, scratch);
      EXPECT_TRUE(std::isfinite(value)) << value;
      for (std::size_t at = 0; at < count; at += block) {
        const auto of_block = [&](const std::vector<double>& part) {
          auto moved = moments;
          std::copy(part.begin(), part.end(), moved.begin() + static_cast<std::ptrdiff_t>(at));
          return evaluate_acquisition(entry, all.settings, moved, unused, scratch);
        };
        const auto from = static_cast<std::ptrdiff_t>(at), to = static_cast<std::ptrdiff_t>(at + block);
        expect_adjoint(of_block, {moments.begin() + from, moments.begin() + to},
                       {adjoint.begin() + from, adjoint.begin() + to}, means * points, points, 3e-5, 2e-8);
      }
    }
  }
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(AcquisitionTable, SaysWhatIsWrong) {
  using testing::HasSubstr;
  EXPECT_THAT(message_of([] { find_acquisition("log_ei"); }), HasSubstr("\"log_ei\"; there are log-ei, "));
  Everything all(2);
  std::vector<double> moments(6), adjoint(6), scratch;
  const auto evaluate = [&](const char* name) {
    return message_of(
        [&] { evaluate_acquisition(find_acquisition(name), all.settings, moments, adjoint, scratch); });
  };
  EXPECT_THAT(evaluate("log-ei"), HasSubstr("6 moments"));
  all.settings.base = nullptr;
  EXPECT_THAT(evaluate("q-log-ei"), HasSubstr("\"base\" is missing"));
  all.settings.smallest = {};
  EXPECT_THAT(evaluate("gibbon"), HasSubstr("\"smallest\" is missing"));
  all.settings.boxes.objectives = 5;
  EXPECT_THAT(evaluate("log-ehvi"), HasSubstr("5 objectives"));
  all.settings.q = 0;
  EXPECT_THAT(evaluate("q-log-ei"), HasSubstr("0 points"));
}

}  // namespace
}  // namespace krigon
