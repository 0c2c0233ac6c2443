#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "config/document.hpp"
#include "config/suggest.hpp"
#include "krigon/error.hpp"

namespace krigon::detail {
namespace {

int line_of(const YAML::Mark& mark) {
  return mark.is_null() ? 1 : mark.line + 1;
}

/// yaml-cpp gives the escapes \N and \_ (next line, no-break space) as one byte of Latin-1.
std::string in_utf8(const std::string& value) {
  std::string out;
  for (std::size_t i = 0; i < value.size();) {
    const std::size_t n = utf8_length(std::string_view(value).substr(i));
    if (n == 0) out += '\xC2';
    out.append(value, i, std::max<std::size_t>(n, 1));
    i += std::max<std::size_t>(n, 1);
  }
  return out;
}

/// From yaml-cpp's events straight to our tree: its own Node graph is not needed, and costs much more.
class Events : public YAML::EventHandler {
 public:
  explicit Events(TreeBuilder& builder) : builder_(builder) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) builder_.fail(line_of(mark), "a second document (---); a file holds one study");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    builder_.anchor_next(anchor);
    builder_.null(line_of(mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    builder_.alias(line_of(mark), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // "!" is yaml-cpp's tag for what stands in quotes or is a block of text, "?" for the rest.
    bool text = tag == "!";
    if (tag == "tag:yaml.org,2002:str") {
      text = true;
    } else if (!text && tag != "?" && !tag.empty() && tag != "tag:yaml.org,2002:int" &&
               tag != "tag:yaml.org,2002:float" && tag != "tag:yaml.org,2002:bool") {
      refuse_tag(mark, tag);
    }
    builder_.anchor_next(anchor);
    builder_.scalar(line_of(mark), in_utf8(value), text);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    if (tag != "?" && !tag.empty() && tag != "!" && tag != "tag:yaml.org,2002:seq") refuse_tag(mark, tag);
    builder_.anchor_next(anchor);
    builder_.begin_list(line_of(mark));
  }
  void OnSequenceEnd() override { builder_.end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    if (tag != "?" && !tag.empty() && tag != "!" && tag != "tag:yaml.org,2002:map") refuse_tag(mark, tag);
    builder_.anchor_next(anchor);
    builder_.begin_map(line_of(mark));
  }
  void OnMapEnd() override { builder_.end(); }

 private:
  [[noreturn]] void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    builder_.fail(line_of(mark), fmt::format("the tag {} means nothing here; leave it out", in_quotes(tag)));
  }

  TreeBuilder& builder_;
  int documents_ = 0;
};

std::string_view line_at(std::string_view text, int line) {
  for (int i = 1; i < line && !text.empty(); ++i) {
    const auto end = text.find('\n');
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// "the '[' in line 6 is not closed", by a look at what stands above `line`; empty where all is closed.
std::string unclosed(std::string_view text, int line) {
  std::vector<std::pair<char, int>> open;
  char quote = 0;
  int quote_line = 0;
  int at = 1;
  for (std::size_t i = 0; i < text.size() && at < line; ++i) {
    const char c = text[i];
    const char before = i == 0 ? '\n' : text[i - 1];
    if (c == '\n') ++at;
    if (quote != 0) {
      if (quote == '"' && c == '\\') ++i;
      if (c == quote) quote = 0;
    } else if ((c == '"' || c == '\'') &&
               std::string_view(" \n[{,:").find(before) != std::string_view::npos) {
      quote = c;
      quote_line = at;
    } else if (c == '#' && (before == ' ' || before == '\n')) {
      while (i + 1 < text.size() && text[i + 1] != '\n') ++i;
    } else if (c == '[' || c == '{') {
      open.emplace_back(c, at);
    } else if ((c == ']' || c == '}') && !open.empty()) {
      open.pop_back();
    }
  }
  if (quote != 0) return fmt::format("the quote that starts in line {} is not closed", quote_line);
  if (open.empty()) return {};
  const auto [c, opened] = open.back();
  return fmt::format("the '{}' in line {} is not closed, or a ',' is missing after it", c, opened);
}

/// yaml-cpp's words for the commonest mistakes, in the user's terms.
std::string explained(const std::string& message, std::string_view text, int line) {
  const std::string_view here = line_at(text, line);
  const auto indentation = here.substr(0, here.find_first_not_of(" \t"));
  if (message == "illegal tab when looking for indentation" ||
      (here.size() > indentation.size() && indentation.find('\t') != std::string_view::npos)) {
    return "a tab in the indentation; YAML wants spaces";
  }
  if (message == "end of map flow not found" || message == "end of sequence flow not found" ||
      message == "illegal EOF in scalar") {
    if (auto where = unclosed(text, line); !where.empty()) return where;
    return "a bracket, brace or quote is not closed, or a ',' is missing";
  }
  if (message == "illegal map value") {
    const auto colon = here.find(':');
    if (colon != std::string_view::npos && colon + 1 < here.size() &&
        std::string_view("{[\"'").find(here[colon + 1]) != std::string_view::npos) {
      return "a space is missing after the ':'";
    }
    if (colon != std::string_view::npos && here.find(": ", colon + 1) != std::string_view::npos) {
      return "a second ': ' in the line; text that holds one needs quotes";
    }
    return "a ':' where none can stand; is the line above complete, and the indentation right?";
  }
  if (message == "end of map not found") return "the indentation does not fit the lines above";
  if (message == "end of sequence not found") return "the indentation does not fit the list above";
  if (message == "illegal flow end") return "a '}' or ']' that closes nothing";
  if (message == "the referenced anchor is not defined") {
    return "an alias (*name) of nothing; text that starts with * needs quotes";
  }
  if (message == "unknown token")
    return "text that starts with %, @, ` or another special character needs quotes";
  return message;
}

}  // namespace

Node read_yaml(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  TreeBuilder builder(file, diagnostics);
  builder.allow_merge_keys();
  Events events(builder);
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(events)) {
    }
  } catch (const YAML::Exception& e) {
    const int line = line_of(e.mark);
    builder.fail(line, fmt::format("not valid YAML: {}", explained(e.msg, text, line)));
  }
  return builder.take();
}

}  // namespace krigon::detail
