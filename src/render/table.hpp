#pragma once

#include <string>
#include <vector>

#include "render/terminal.hpp"

namespace krigon {

enum class Align { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
};

struct Cell {
  std::string text;  ///< printed as printable()
  Color color = Color::plain;

  Cell(std::string cell_text = "", Color cell_color = Color::plain)  // NOLINT: meant to be implicit
      : text(std::move(cell_text)), color(cell_color) {}
  Cell(const char* cell_text) : text(cell_text) {}  // NOLINT: as above
};

/// Rows under titles; a row may be shorter than the titles, never longer.
struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
};

/// The table as lines that end in '\n', columns two blanks apart. Where it is wider than the terminal
/// the widest columns are cut (to no less than their title or 8 columns); elsewhere nothing is.
std::string render_table(const Table& table, const Terminal& terminal);

/// "name: value" lines with the values under each other.
std::string render_fields(const std::vector<std::pair<std::string, Cell>>& fields, const Terminal& terminal);

}  // namespace krigon
