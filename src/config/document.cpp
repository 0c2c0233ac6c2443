#include "config/document.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "config/suggest.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {
namespace {

constexpr std::size_t kMostDepth = 32;
constexpr std::size_t kMostNodes = 100'000;
constexpr std::size_t kMostBytes = 4u << 20;  // of scalars, aliases written out
constexpr std::size_t kMostText = 1u << 20;

}  // namespace

std::size_t utf8_length(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char b = byte(0);
  if (b < 0x80) return 1;
  const std::size_t n = b >= 0xC2 && b < 0xE0 ? 2 : b >= 0xE0 && b < 0xF0 ? 3 : b >= 0xF0 && b < 0xF5 ? 4 : 0;
  if (n == 0 || s.size() < n) return 0;
  for (std::size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (b == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
  if (b == 0xED && byte(1) > 0x9F) return 0;  // surrogates
  if (b == 0xF0 && byte(1) < 0x90) return 0;
  if (b == 0xF4 && byte(1) > 0x8F) return 0;
  return n;
}

std::string_view check_text(std::string_view text, const std::string& file) {
  if (text.size() > kMostText) {
    throw ConfigError(
        fmt::format("{}: the file has {} bytes; a study file has at most {}", file, text.size(), kMostText));
  }
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    throw ConfigError(fmt::format("{}:1: the text is UTF-16; save the file as UTF-8", file));
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  int line = 1;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = utf8_length(text.substr(i));
    const auto b = static_cast<unsigned char>(text[i]);
    if (n == 0) {
      throw ConfigError(
          fmt::format("{}:{}: the byte 0x{:02X} is not UTF-8 text; save the file as UTF-8", file, line, b));
    }
    if ((b < 0x20 && b != '\n' && b != '\r' && b != '\t') || b == 0x7F) {
      throw ConfigError(
          fmt::format("{}:{}: found the control character 0x{:02X}; this is not a text file", file, line, b));
    }
    if (b == '\n') ++line;
    i += n;
  }
  return text;
}

TreeBuilder::TreeBuilder(std::string file, Diagnostics& diagnostics)
    : file_(std::move(file)), diagnostics_(diagnostics) {}

void TreeBuilder::fail(int line, std::string_view message) const {
  throw ConfigError(fmt::format("{}:{}: {}", file_, line, message));
}

void TreeBuilder::count_one(int line, const Node& node) {
  ++nodes_;
  bytes_ += node.text.size();
  if (nodes_ > kMostNodes || bytes_ > kMostBytes) {
    fail(line, fmt::format("the file holds more than {} values or {} MB of text, aliases written out",
                           kMostNodes, kMostBytes >> 20));
  }
}

void TreeBuilder::count(int line, const Node& node) {
  count_one(line, node);
  for (const auto& item : node.items) count(line, item);
  for (const auto& entry : node.entries) {
    bytes_ += entry.key.size();
    count(line, entry.value);
  }
}

std::size_t TreeBuilder::next_anchor() {
  return std::exchange(pending_anchor_, 0);
}

void TreeBuilder::anchor_next(std::size_t anchor) {
  pending_anchor_ = anchor;
}

void TreeBuilder::null(int line) {
  place({Node::Kind::null, false, line, {}, {}, {}}, next_anchor());
}

void TreeBuilder::scalar(int line, std::string text, bool is_quoted) {
  if (text.find('\0') != std::string::npos) {
    fail(line, fmt::format("{} holds a NUL character, which no program can be given", in_quotes(text)));
  }
  place({Node::Kind::scalar, is_quoted, line, std::move(text), {}, {}}, next_anchor());
}

void TreeBuilder::begin_list(int line) {
  Frame frame;
  frame.node.kind = Node::Kind::list;
  frame.node.line = line;
  frame.anchor = next_anchor();
  stack_.push_back(std::move(frame));
  if (stack_.size() > kMostDepth)
    fail(line, fmt::format("lists and maps are nested deeper than {}", kMostDepth));
}

void TreeBuilder::begin_map(int line) {
  begin_list(line);
  stack_.back().node.kind = Node::Kind::map;
}

void TreeBuilder::end() {
  Frame frame = std::move(stack_.back());
  stack_.pop_back();
  merge(frame);
  place(std::move(frame.node), frame.anchor);
}

void TreeBuilder::alias(int line, std::size_t anchor) {
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) fail(line, "an alias (*name) stands inside what it refers to");
  count(line, found->second);
  Node copy = found->second;
  copy.line = line;
  place(std::move(copy), 0);
}

void TreeBuilder::place(Node node, std::size_t anchor) {
  count_one(node.line, node);  // what is below it was counted when it was placed
  if (anchor != 0) {
    count(node.line, node);
    anchors_[anchor] = node;
  }
  if (stack_.empty()) {
    root_ = std::move(node);
    done_ = true;
    return;
  }
  Frame& frame = stack_.back();
  if (frame.node.kind == Node::Kind::list) {
    frame.node.items.push_back(std::move(node));
  } else if (frame.has_key) {
    frame.has_key = false;
    place_in_map(frame, std::move(node));
  } else {
    take_key(frame, node);
  }
}

void TreeBuilder::take_key(Frame& frame, const Node& node) {
  if (node.kind != Node::Kind::scalar) {
    const char* what = node.kind == Node::Kind::null   ? "nothing"
                       : node.kind == Node::Kind::list ? "a list"
                                                       : "a map";
    // The commonest way to get here is an unquoted template: {{name}} or {a: {b}}.
    fail(node.line,
         fmt::format("found {} where a key is expected; text with braces or brackets needs quotes", what));
  }
  frame.has_key = true;
  frame.key = node.text;
  frame.key_quoted = node.quoted;
  frame.key_line = node.line;
}

void TreeBuilder::place_in_map(Frame& frame, Node node) {
  if (merge_keys_ && frame.key == "<<" && !frame.key_quoted) {
    const auto is_map = [](const Node& n) { return n.kind == Node::Kind::map; };
    if (is_map(node)) {
      frame.merged.push_back(std::move(node));
    } else if (node.kind == Node::Kind::list && std::all_of(node.items.begin(), node.items.end(), is_map)) {
      for (auto& item : node.items) frame.merged.push_back(std::move(item));
    } else {
      fail(frame.key_line, "the merge key << takes an alias of a map, or a list of such");
    }
    return;
  }
  // A value that is left out has no place of its own.
  if (node.kind == Node::Kind::null) node.line = frame.key_line;
  frame.node.entries.push_back({std::move(frame.key), frame.key_line, std::move(node)});
}

void TreeBuilder::merge(Frame& frame) {
  auto& entries = frame.node.entries;
  std::map<std::string, int, std::less<>> first_line;
  std::vector<Entry> unique;
  for (auto& entry : entries) {
    const auto [first, is_new] = first_line.emplace(entry.key, entry.line);
    if (is_new) {
      unique.push_back(std::move(entry));
    } else {
      const std::string above = path_to_key();
      diagnostics_.error(entry.line, above.empty() ? key_text(entry.key) : above + "." + key_text(entry.key),
                         fmt::format("this key is there twice, first in line {}", first->second));
    }
  }
  entries = std::move(unique);
  for (auto& base : frame.merged) {
    for (auto& entry : base.entries) {
      if (first_line.emplace(entry.key, entry.line).second) entries.push_back(std::move(entry));
    }
  }
}

std::string TreeBuilder::path_to_key() const {
  std::string path;
  for (const auto& frame : stack_) {
    if (frame.node.kind == Node::Kind::map && frame.has_key) {
      path += (path.empty() ? "" : ".") + key_text(frame.key);
    } else if (frame.node.kind == Node::Kind::list) {
      path += fmt::format(", item {}", frame.node.items.size() + 1);
    }
  }
  return path;
}

Node TreeBuilder::take() {
  if (!done_) root_ = Node{};
  return std::move(root_);
}

}  // namespace krigon::detail
