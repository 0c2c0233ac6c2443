#include "config/field.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "config/scalar.hpp"
#include "config/suggest.hpp"

namespace krigon::detail {
namespace {

constexpr double kExact = 0x1p53;  // integers up to here are exact as doubles

std::string joined(const std::string& path, std::string_view key) {
  return path.empty() ? key_text(key) : path + "." + key_text(key);
}

bool is_text(const Value& value) {
  return std::holds_alternative<std::string>(value);
}

}  // namespace

void Field::expected(std::string_view what) const {
  // The text "5" in quotes where 5 is wanted deserves a word.
  if (is(Node::Kind::scalar) && node_->quoted) {
    Node bare = *node_;
    bare.quoted = false;
    const Scalar scalar = scalar_value(bare);
    if (scalar.why.empty() && !is_text(scalar.value)) {
      error(fmt::format("found {}, expected {}; leave out the quotes", shown(*node_), what));
      return;
    }
  }
  error(fmt::format("found {}, expected {}", shown(*node_), what));
}

std::optional<Value> Field::value() const {
  if (node_ == nullptr) return std::nullopt;
  if (!is(Node::Kind::scalar)) {
    expected("a number, a text, true or false");
    return std::nullopt;
  }
  Scalar scalar = scalar_value(*node_);
  if (!scalar.why.empty()) {
    error(scalar.why);
    return std::nullopt;
  }
  return std::move(scalar.value);
}

std::optional<double> Field::number() const {
  if (node_ == nullptr) return std::nullopt;
  if (is(Node::Kind::scalar)) {
    const Scalar scalar = scalar_value(*node_);
    if (!scalar.why.empty()) {
      error(scalar.why);
      return std::nullopt;
    }
    if (const auto* d = std::get_if<double>(&scalar.value)) return *d;
    if (const auto* i = std::get_if<std::int64_t>(&scalar.value)) return static_cast<double>(*i);
  }
  expected("a number");
  return std::nullopt;
}

std::optional<std::int64_t> Field::integer(std::int64_t least, std::int64_t most) const {
  if (node_ == nullptr) return std::nullopt;
  const std::string what = least == INT64_MIN  ? "an integer"
                           : most == INT64_MAX ? fmt::format("an integer of at least {}", least)
                                               : fmt::format("an integer from {} to {}", least, most);
  std::optional<std::int64_t> value;
  if (is(Node::Kind::scalar)) {
    const Scalar scalar = scalar_value(*node_);
    if (!scalar.why.empty()) {
      error(scalar.why);
      return std::nullopt;
    }
    if (const auto* i = std::get_if<std::int64_t>(&scalar.value)) {
      value = *i;
    } else if (const auto* d = std::get_if<double>(&scalar.value);
               d != nullptr && std::trunc(*d) == *d && std::abs(*d) <= kExact) {
      value = static_cast<std::int64_t>(*d);  // 1e6
    }
  }
  if (value && *value >= least && *value <= most) return value;
  expected(what);
  return std::nullopt;
}

std::optional<bool> Field::boolean() const {
  if (node_ == nullptr) return std::nullopt;
  if (is(Node::Kind::scalar)) {
    const Scalar scalar = scalar_value(*node_);
    if (const auto* b = std::get_if<bool>(&scalar.value); b != nullptr && scalar.why.empty()) return *b;
  }
  expected("true or false");
  return std::nullopt;
}

std::optional<std::string> Field::any_text() const {
  if (node_ == nullptr) return std::nullopt;
  if (is(Node::Kind::scalar)) return node_->text;
  if (is(Node::Kind::map) && node_->entries.size() == 1 && node_->entries[0].value.kind == Node::Kind::null) {
    // {learning_rate} without quotes is a map to YAML.
    const std::string& name = node_->entries[0].key;
    error(
        fmt::format("found {{{}}} without quotes, which YAML reads as a map; write \"{{{}}}\"", name, name));
    return std::nullopt;
  }
  expected("text");
  return std::nullopt;
}

std::optional<std::string> Field::text() const {
  auto text = any_text();
  if (text && text->empty()) {
    expected("text that is not empty");
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> Field::word(const std::vector<std::string>& allowed,
                                       const WrongWords& wrong_words) const {
  if (node_ == nullptr) return std::nullopt;
  std::string hint;
  if (is(Node::Kind::scalar)) {
    const std::string& found = node_->text;
    if (std::find(allowed.begin(), allowed.end(), found) != allowed.end()) return found;
    const auto wrong = std::find_if(wrong_words.begin(), wrong_words.end(),
                                    [&](const auto& pair) { return pair.first == found; });
    hint = wrong != wrong_words.end() ? "; " + wrong->second : did_you_mean(found, allowed);
  }
  error(fmt::format("found {}, expected one of {}{}", shown(*node_), listed(allowed), hint));
  return std::nullopt;
}

std::optional<Milliseconds> Field::duration() const {
  if (node_ == nullptr) return std::nullopt;
  if (is(Node::Kind::scalar)) {
    if (const auto value = parse_duration(node_->text)) return value;
  }
  error(fmt::format("found {}, expected a duration such as 45s, 10m, 1h30m, 2d, or a number of seconds",
                    shown(*node_)));
  return std::nullopt;
}

std::optional<std::uint64_t> Field::size() const {
  if (node_ == nullptr) return std::nullopt;
  if (is(Node::Kind::scalar)) {
    if (const auto value = parse_size(node_->text)) return value;
  }
  error(fmt::format("found {}, expected a size such as 512M, 4G, or a number of bytes", shown(*node_)));
  return std::nullopt;
}

std::vector<Field> Field::items(std::string_view what, std::string_view example) const {
  std::vector<Field> fields;
  if (node_ == nullptr) return fields;
  if (!is(Node::Kind::list)) {
    error(fmt::format("found {}, expected a list of {}, such as {}", shown(*node_), what, example));
    return fields;
  }
  for (const auto& item : node_->items) {
    fields.emplace_back(&item, item.line, fmt::format("{}, item {}", path_, fields.size() + 1), *to_);
  }
  return fields;
}

std::vector<Field> Field::entries(std::string_view what, std::string_view example) const {
  std::vector<Field> fields;
  if (node_ == nullptr) return fields;
  if (!is(Node::Kind::map)) {
    error(fmt::format("found {}, expected a map of {}, such as {}", shown(*node_), what, example));
    return fields;
  }
  for (const auto& entry : node_->entries) {
    fields.emplace_back(&entry.value, entry.line, joined(path_, entry.key), *to_);
    fields.back().key_ = entry.key;
  }
  return fields;
}

Section::Section(const Field& field) : field_(field), ok_(field.is(Node::Kind::map)) {
  if (field.is(Node::Kind::null)) {
    field.error("found nothing, expected a map of keys and values; leave the key out where there are none");
  } else if (field && !ok_) {
    field.expected("a map of keys and values");
  }
}

Field Section::take(std::string_view key) {
  known_.emplace_back(key);
  const std::string path = joined(field_.path(), key);
  if (ok_) {
    for (const auto& entry : field_.node().entries) {
      if (entry.key == key) {
        Field found(&entry.value, entry.line, path, *field_.to_);
        found.key_ = entry.key;
        return found;
      }
    }
  }
  return {nullptr, field_.line(), path, *field_.to_};
}

Field Section::require(std::string_view key, std::string_view what) {
  Field field = take(key);
  if (!field) missing(key, what);
  return field;
}

void Section::missing(std::string_view key, std::string_view what) {
  if (ok_) missing_.emplace_back(std::string(key), fmt::format("'{}' is missing: {}", key, what));
}

void Section::finish(const Field::WrongWords& wrong_words) const {
  if (!ok_) return;
  std::vector<std::string> meant;
  bool other_words = false;
  for (const auto& entry : field_.node().entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    const auto wrong = std::find_if(wrong_words.begin(), wrong_words.end(),
                                    [&](const auto& pair) { return pair.first == entry.key; });
    std::string hint;
    if (wrong != wrong_words.end()) {
      hint = "; " + wrong->second;
      other_words = true;
    } else {
      meant.push_back(nearest(entry.key, known_));
      hint = did_you_mean(entry.key, known_);
    }
    field_.to_->error(entry.line, joined(field_.path(), entry.key),
                      fmt::format("unknown key{} (allowed here: {})", hint, listed(known_)));
  }
  for (const auto& [key, message] : missing_) {
    // Said already where it is only misspelled, or called by another word.
    if (other_words || std::find(meant.begin(), meant.end(), key) != meant.end()) continue;
    field_.to_->error(field_.line(), field_.path(), message);
  }
}

}  // namespace krigon::detail
