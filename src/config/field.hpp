#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.hpp"
#include "config/document.hpp"
#include "core/spec.hpp"

namespace krigon::detail {

/// A value in the file with its path, or the lack of one. The readers report what is wrong and then
/// return nullopt, so that reading goes on; on an absent field they return nullopt silently.
class Field {
 public:
  Field(const Node* node, int line, std::string path, Diagnostics& to)
      : node_(node), line_(line), path_(std::move(path)), to_(&to) {}

  explicit operator bool() const { return node_ != nullptr; }
  const Node& node() const { return *node_; }
  const std::string& path() const { return path_; }
  int line() const { return line_; }
  bool is(Node::Kind kind) const { return node_ != nullptr && node_->kind == kind; }

  void error(std::string_view message) const { to_->error(line_, path_, message); }
  void warning(std::string_view message) const { to_->warning(line_, path_, message); }
  /// "found X, expected <what>".
  void expected(std::string_view what) const;

  std::optional<double> number() const;
  std::optional<std::int64_t> integer(std::int64_t least = INT64_MIN, std::int64_t most = INT64_MAX) const;
  std::optional<bool> boolean() const;
  /// Any scalar's text as it is spelled; not empty.
  std::optional<std::string> text() const;
  /// As text(), but may be empty ("").
  std::optional<std::string> any_text() const;
  std::optional<Value> value() const;
  /// One of the words; `wrong_words` are pairs {what people write, what they mean}.
  using WrongWords = std::vector<std::pair<std::string, std::string>>;
  std::optional<std::string> word(const std::vector<std::string>& allowed,
                                  const WrongWords& wrong_words = {}) const;
  std::optional<Milliseconds> duration() const;
  std::optional<std::uint64_t> size() const;

  /// The items where it is a list, otherwise reported and empty. `example` shows how to write one.
  std::vector<Field> items(std::string_view what, std::string_view example) const;
  /// The entries where it is a map, otherwise reported and empty.
  std::vector<Field> entries(std::string_view what, std::string_view example) const;
  Diagnostics* diagnostics() const { return to_; }
  /// The last key of the path.
  const std::string& key() const { return key_; }

 private:
  friend class Section;
  const Node* node_;
  int line_;
  std::string path_;
  std::string key_;
  Diagnostics* to_;
};

/// A map with known keys: each take() makes one known, finish() reports the others.
class Section {
 public:
  explicit Section(const Field& field);

  /// Whether the field is a map; reported where it is something else (and not where it is absent).
  bool ok() const { return ok_; }
  Field take(std::string_view key);
  /// As take(); finish() reports that it is missing, at the section's own line.
  Field require(std::string_view key, std::string_view what);
  /// finish() reports the key as missing.
  void missing(std::string_view key, std::string_view what);
  /// `wrong_words` are pairs {what people write, what to say about it}.
  void finish(const Field::WrongWords& wrong_words = {}) const;

 private:
  Field field_;
  bool ok_;
  std::vector<std::string> known_;
  std::vector<std::pair<std::string, std::string>> missing_;  // key, message
};

}  // namespace krigon::detail
