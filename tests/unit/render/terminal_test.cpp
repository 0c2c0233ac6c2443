#include "render/terminal.hpp"

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace krigon {
namespace {

Terminal with(bool tty, std::map<std::string, std::string> variables, int columns = 0) {
  return describe_terminal(tty, columns, 0, [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Terminal, ColoursOnlyOnATerminal) {
  EXPECT_TRUE(with(true, {{"TERM", "xterm"}}).color);
  EXPECT_FALSE(with(false, {{"TERM", "xterm"}}).color);
  EXPECT_FALSE(with(false, {}).interactive);
}

TEST(Terminal, HonoursNoColorUnlessItIsEmpty) {
  EXPECT_FALSE(with(true, {{"NO_COLOR", "1"}}).color);
  EXPECT_TRUE(with(true, {{"NO_COLOR", "1"}}).interactive) << "the display stays, in one colour";
  EXPECT_TRUE(with(true, {{"NO_COLOR", ""}}).color);
}

TEST(Terminal, ADumbOneIsNotDrawnOn) {
  EXPECT_FALSE(with(true, {{"TERM", "dumb"}}).interactive);
  EXPECT_FALSE(with(true, {{"TERM", "dumb"}}).color);
}

TEST(Terminal, KnowsItsColumns) {
  EXPECT_EQ(with(true, {}).columns, 80);
  EXPECT_EQ(with(true, {}, 132).columns, 132);
  EXPECT_EQ(with(true, {{"COLUMNS", "100"}}, 132).columns, 100);
  EXPECT_EQ(with(true, {{"COLUMNS", "wide"}}, 132).columns, 132);
  EXPECT_EQ(with(true, {{"COLUMNS", "-5"}}, 132).columns, 132);
  EXPECT_EQ(with(true, {{"COLUMNS", "3"}}).columns, 20);
  EXPECT_EQ(with(true, {{"COLUMNS", "99999999999999"}}, 132).columns, 132);
}

TEST(Terminal, ReadsTheLocaleAsTheCLibraryDoes) {
  EXPECT_TRUE(with(true, {{"LANG", "de_DE.UTF-8"}}).unicode);
  EXPECT_TRUE(with(true, {{"LANG", "C.utf8"}}).unicode);
  EXPECT_FALSE(with(true, {{"LANG", "C"}}).unicode);
  EXPECT_FALSE(with(true, {}).unicode);
  EXPECT_FALSE(with(true, {{"LC_ALL", "C"}, {"LANG", "C.UTF-8"}}).unicode) << "LC_ALL wins";
  EXPECT_TRUE(with(true, {{"LC_ALL", ""}, {"LC_CTYPE", "C.UTF-8"}}).unicode);
}

TEST(Paint, LeavesTextAloneWithoutColours) {
  EXPECT_EQ(paint("x", Color::red, Terminal{}), "x");
  Terminal color;
  color.color = true;
  EXPECT_EQ(paint("x", Color::red, color), "\x1b[31mx\x1b[0m");
  EXPECT_EQ(paint("x", Color::plain, color), "x");
  EXPECT_EQ(paint("", Color::red, color), "");
}

}  // namespace
}  // namespace krigon
