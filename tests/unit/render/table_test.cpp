#include "render/table.hpp"

#include <gtest/gtest.h>

namespace krigon {
namespace {

const Table& trials() {
  static const Table table{
      {{"trial", Align::right}, {"state"}, {"accuracy", Align::right}, {"parameters"}},
      {{"0", "completed", "0.91", "lr=0.01 größe=精度"},
       {"1", {"failed", Color::red}, "", "lr=1"},
       {"12", "running"}},
  };
  return table;
}

TEST(RenderTable, AlignsByColumnsOfText) {
  EXPECT_EQ(render_table(trials(), Terminal{}),
            "trial  state      accuracy  parameters\n"
            "    0  completed      0.91  lr=0.01 größe=精度\n"
            "    1  failed               lr=1\n"
            "   12  running\n");
}

TEST(RenderTable, CutsTheWidestColumnsOnATerminal) {
  Terminal narrow;
  narrow.interactive = true;
  narrow.columns = 40;
  EXPECT_EQ(render_table(trials(), narrow),
            "trial  state      accuracy  parameters\n"
            "    0  completed      0.91  lr=0.01 grö…\n"
            "    1  failed               lr=1\n"
            "   12  running\n");
}

TEST(RenderTable, ColoursCellsAndTitles) {
  Terminal color;
  color.color = true;
  EXPECT_EQ(render_table({{{"a"}, {"b"}}, {{{"x", Color::green}, "y"}}}, color),
            "\x1b[1ma\x1b[0m  \x1b[1mb\x1b[0m\n"
            "\x1b[32mx\x1b[0m  y\n");
}

TEST(RenderTable, ACellCannotSteerTheTerminal) {
  EXPECT_EQ(render_table({{{"a"}}, {{"x\x1b[2Jy\nz"}}}, Terminal{}), "a\nx\uFFFD[2Jy\uFFFDz\n");
}

TEST(RenderTable, NothingIsNothing) {
  EXPECT_EQ(render_table({}, Terminal{}), "");
  EXPECT_EQ(render_table({{{"a"}}, {}}, Terminal{}), "a\n");
}

TEST(RenderFields, PutsTheValuesUnderEachOther) {
  EXPECT_EQ(render_fields({{"trial", "3"}, {"parameters", "lr=1"}, {"note", ""}}, Terminal{}),
            "trial:       3\n"
            "parameters:  lr=1\n"
            "note:\n");
}

}  // namespace
}  // namespace krigon
