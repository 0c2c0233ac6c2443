#include <gmock/gmock.h>

#include "krigon/error.hpp"
#include "runner/runner.hpp"

namespace krigon {
namespace {

const Space kSpace({{"rate", RealDomain{0, 1}},
                    {"on", CategoricalDomain{{true, false}}},
                    {"trial", RealDomain{0, 9}},
                    {"extra", RealDomain{0, 1}, {{"on", {true}}}}});
const Parameters kPoint = {{"rate", 0.1}, {"on", false}, {"trial", 7.5}};

std::string expanded(const std::string& text) {
  return expand_command({text}, kSpace, kPoint, {{"trial", "3"}, {"seed", "99"}}).at(0);
}

std::string refused(const std::string& text) {
  try {
    return "accepted: " + expanded(text);
  } catch (const SpaceError& e) {
    return e.what();
  }
}

TEST(ExpandCommand, ReplacesParametersAndExtras) {
  EXPECT_EQ(expanded("plain"), "plain");
  EXPECT_EQ(expanded("--rate={rate},{on}"), "--rate=0.1,false");
  EXPECT_EQ(expanded("{seed}{seed}"), "9999");
  EXPECT_EQ(expanded("{extra}"), "");     // inactive
  EXPECT_EQ(expanded("{trial}"), "7.5");  // the parameter, not the number
  EXPECT_EQ(expanded("{{rate}}"), "{rate}");
  EXPECT_EQ(expanded("{{{rate}}}"), "{0.1}");
  EXPECT_EQ(expanded(""), "");
}

TEST(ExpandCommand, SaysWhatIsWrong) {
  EXPECT_THAT(refused("--lr {lr}"),
              ::testing::HasSubstr("{lr} in '--lr {lr}' is no parameter; allowed: {rate}, {on}"));
  EXPECT_THAT(refused("{rate"), ::testing::HasSubstr("single '{'; write '{{'"));
  EXPECT_THAT(refused("rate}"), ::testing::HasSubstr("single '}'; write '}}'"));
  EXPECT_THAT(refused("{}"), ::testing::HasSubstr("is no parameter"));
}

}  // namespace
}  // namespace krigon
