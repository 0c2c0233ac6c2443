#include "render/table.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "render/width.hpp"

namespace krigon {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowest = 8;

std::string pad(const std::string& text, std::size_t width, Align align, Color color,
                const Terminal& terminal, bool last) {
  const std::size_t used = display_width(text);
  const std::string blanks(width > used ? width - used : 0, ' ');
  const std::string painted = paint(text, color, terminal);
  if (align == Align::right) return blanks + painted;
  return last ? painted : painted + blanks;  // no blanks at the end of a line
}

/// Takes columns from the widest until the whole fits or nothing can be taken.
void shrink(std::vector<std::size_t>& widths, const std::vector<std::size_t>& least, std::size_t room) {
  const auto total = [&] {
    return std::accumulate(widths.begin(), widths.end(), std::size_t{0}) + kGap * (widths.size() - 1);
  };
  while (total() > room) {
    std::size_t widest = widths.size();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (widths[i] > least[i] && (widest == widths.size() || widths[i] > widths[widest])) widest = i;
    }
    if (widest == widths.size()) return;
    --widths[widest];
  }
}

}  // namespace

std::string render_table(const Table& table, const Terminal& terminal) {
  if (table.columns.empty()) return "";
  std::vector<std::vector<std::string>> texts;
  std::vector<std::size_t> widths, least;
  for (const auto& column : table.columns) {
    widths.push_back(display_width(column.title));
    least.push_back(std::max(widths.back(), kNarrowest));
  }
  for (const auto& row : table.rows) {
    auto& line = texts.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i) {
      line.push_back(printable(row[i].text));
      widths.at(i) = std::max(widths[i], display_width(line[i]));
    }
  }
  if (terminal.interactive) shrink(widths, least, static_cast<std::size_t>(terminal.columns));

  std::string out;
  const std::size_t last = table.columns.size() - 1;
  for (std::size_t i = 0; i <= last; ++i) {
    const auto& column = table.columns[i];
    out += pad(column.title, widths[i], column.align, Color::bold, terminal, i == last);
    out += i == last ? "\n" : std::string(kGap, ' ');
  }
  for (std::size_t r = 0; r < texts.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < texts[r].size(); ++i) {
      if (i > 0) line += std::string(kGap, ' ');
      line += pad(truncate(texts[r][i], widths[i]), widths[i], table.columns[i].align, table.rows[r][i].color,
                  terminal, i + 1 == texts[r].size());
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string render_fields(const std::vector<std::pair<std::string, Cell>>& fields, const Terminal& terminal) {
  std::size_t width = 0;
  for (const auto& [name, value] : fields) width = std::max(width, display_width(name) + 1);
  std::string out;
  for (const auto& [name, value] : fields) {
    std::string line = paint(name + ":", Color::bold, terminal);
    line += std::string(width - display_width(name) - 1 + kGap, ' ');
    line += paint(printable(value.text), value.color, terminal);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace krigon
