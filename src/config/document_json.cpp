#include <algorithm>
#include <cstddef>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "config/document.hpp"
#include "config/suggest.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {
namespace {

/// Reads the text for nlohmann's parser and knows how far that has come, which its SAX interface does
/// not tell.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    *furthest_ = std::max(*furthest_, at_);
    return *this;
  }
  CountingIterator operator++(int) {
    const CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

/// nlohmann's words for the commonest mistakes, in the user's terms.
std::string explained(std::string message) {
  // "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error while ..."
  if (const auto end = message.find("] "); end != std::string::npos) message.erase(0, end + 2);
  if (const auto end = message.find(": ");
      message.starts_with("parse error at") && end != std::string::npos) {
    message.erase(0, end + 2);
  }
  const auto holds = [&](std::string_view part) { return message.find(part) != std::string::npos; };
  if (holds("parsing object key") && holds("unexpected '}'")) return "a ',' before the '}'";
  if (holds("parsing value") && holds("unexpected ']'")) return "a ',' before the ']'";
  if (holds("invalid literal") && (holds("/'") || holds("#'")))
    return "a comment; JSON has none (YAML has: # ...)";
  // The part that is quoted from the file is on the line that is named.
  if (const auto read = message.find("; last read: "); read != std::string::npos) {
    const auto end = message.find("'; expected", read);
    message.erase(read, end == std::string::npos ? std::string::npos : end + 1 - read);
  }
  return message;
}

/// nlohmann's events to our tree.
class Events : public nlohmann::json_sax<nlohmann::json> {
 public:
  Events(TreeBuilder& builder, std::string_view text, const char* const& furthest)
      : builder_(builder), begin_(text.data()), counted_(text.data()), furthest_(furthest) {}

  bool null() override {
    builder_.null(line());
    return true;
  }
  bool boolean(bool value) override {
    builder_.scalar(line(), value ? "true" : "false", false);
    return true;
  }
  bool number_integer(number_integer_t value) override {
    builder_.scalar(line(), std::to_string(value), false);
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    builder_.scalar(line(), std::to_string(value), false);
    return true;
  }
  bool number_float(number_float_t, const string_t& text) override {
    builder_.scalar(line(), text, false);
    return true;
  }
  bool string(string_t& value) override {
    builder_.scalar(line(), std::move(value), true);
    return true;
  }
  bool binary(binary_t&) override { return false; }  // JSON text has none
  bool start_object(std::size_t) override {
    builder_.begin_map(line());
    return true;
  }
  bool key(string_t& value) override {
    builder_.scalar(line(), std::move(value), true);
    return true;
  }
  bool end_object() override {
    builder_.end();
    return true;
  }
  bool start_array(std::size_t) override {
    builder_.begin_list(line());
    return true;
  }
  bool end_array() override {
    builder_.end();
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& e) override {
    builder_.fail(line(), fmt::format("not valid JSON: {}", explained(e.what())));
  }

 private:
  int line_to(const char* end) {
    line_ += static_cast<int>(std::count(counted_, std::max(counted_, end), '\n'));
    counted_ = std::max(counted_, end);
    return line_;
  }
  // No token holds a line's end, and a number is known to end only when the next character was read:
  // so what counts are the lines before the last character that was read.
  int line() { return line_to(furthest_ == begin_ ? begin_ : furthest_ - 1); }

  TreeBuilder& builder_;
  const char* begin_;
  const char* counted_;
  const char* const& furthest_;
  int line_ = 1;
};

}  // namespace

Node read_json(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  TreeBuilder builder(file, diagnostics);
  const char* furthest = text.data();
  Events events(builder, text, furthest);
  const CountingIterator begin(text.data(), &furthest);
  const CountingIterator end(text.data() + text.size(), &furthest);
  nlohmann::json::sax_parse(begin, end, &events);
  return builder.take();
}

}  // namespace krigon::detail
