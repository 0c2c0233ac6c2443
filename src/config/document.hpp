#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.hpp"

namespace krigon::detail {

struct Entry;

/// A file's content as a tree that knows its lines, the same for YAML and JSON.
struct Node {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  bool quoted = false;  ///< a scalar that is text for certain, whatever it looks like
  int line = 1;
  std::string text;            ///< of a scalar
  std::vector<Node> items;     ///< of a list
  std::vector<Entry> entries;  ///< of a map, in the file's order; keys are unique
};

struct Entry {
  std::string key;
  int line = 1;  ///< of the key
  Node value;
};

/// Assembles a Node from a parser's events, keeping to limits that no honest file meets, so that
/// a hostile one costs neither much memory nor much time. Trouble that makes the rest meaningless
/// throws ConfigError; doubled keys are collected.
class TreeBuilder {
 public:
  TreeBuilder(std::string file, Diagnostics& diagnostics);

  void null(int line);
  void scalar(int line, std::string text, bool is_quoted);
  void begin_list(int line);
  void begin_map(int line);
  /// Closes the innermost list or map.
  void end();
  /// Names the value that comes next (YAML's &anchor).
  void anchor_next(std::size_t anchor);
  /// A copy of the anchored value (YAML's *alias).
  void alias(int line, std::size_t anchor);
  /// YAML's `<<: *base` fills in what a map itself lacks.
  void allow_merge_keys() { merge_keys_ = true; }

  Node take();
  /// Throws ConfigError "file:line: message".
  [[noreturn]] void fail(int line, std::string_view message) const;

 private:
  struct Frame {
    Node node;
    std::size_t anchor = 0;
    bool has_key = false;
    bool key_quoted = false;
    std::string key;
    int key_line = 1;
    std::vector<Node> merged;  // in order of precedence
  };
  void place(Node node, std::size_t anchor);
  void place_in_map(Frame& frame, Node node);
  void take_key(Frame& frame, const Node& node);
  void merge(Frame& frame);
  void count_one(int line, const Node& node);
  void count(int line, const Node& node);  // with all below it
  std::size_t next_anchor();
  std::string path_to_key() const;

  std::string file_;
  Diagnostics& diagnostics_;
  std::vector<Frame> stack_;
  std::map<std::size_t, Node> anchors_;
  std::size_t pending_anchor_ = 0;
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
  bool merge_keys_ = false;
  bool done_ = false;
  Node root_;
};

/// Throw ConfigError for text that is not of the format. The text is UTF-8 without a byte order mark
/// or control characters (check_text).
Node read_yaml(std::string_view text, const std::string& file, Diagnostics& diagnostics);
Node read_json(std::string_view text, const std::string& file, Diagnostics& diagnostics);

/// The length of the UTF-8 character at the start of s (not empty), 0 where there is none (RFC 3629).
std::size_t utf8_length(std::string_view s);

/// The text without its byte order mark. Throws ConfigError where it is not UTF-8, holds control
/// characters, or is larger than 1 MB.
std::string_view check_text(std::string_view text, const std::string& file);

}  // namespace krigon::detail
