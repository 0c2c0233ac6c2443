#include "cli/program.hpp"

#include <utility>

#include <CLI/CLI.hpp>

namespace krigon::cli {
namespace {

/// Help that shows a command's positional words in their own form.
class FormFormatter : public CLI::Formatter {
 public:
  explicit FormFormatter(std::string form) : form_(std::move(form)) {}

  std::string make_usage(const CLI::App* app, std::string name) const override {
    return "Usage: " + (name.empty() ? app->get_name() : name) + " [OPTIONS] " + form_ + "\n";
  }
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    return is_positional ? form_ : CLI::Formatter::make_option_name(option, is_positional);
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_positional() ? "" : CLI::Formatter::make_option_opts(option);
  }

 private:
  std::string form_;
};

}  // namespace

CommandBuilder::Option CommandBuilder::text(const char* names, std::string& value, const char* description,
                                            const char* value_name) {
  return app_->add_option(names, value, description)->type_name(value_name);
}

CommandBuilder::Option CommandBuilder::text(const char* names, std::optional<std::string>& value,
                                            const char* description, const char* value_name) {
  return app_->add_option(names, value, description)->type_name(value_name);
}

CommandBuilder::Option CommandBuilder::integer(const char* names, std::optional<std::int64_t>& value,
                                               const char* description, std::int64_t min, std::int64_t max) {
  return app_->add_option(names, value, description)
      ->check(CLI::Range(min, max).description(""))
      ->type_name("N");
}

CommandBuilder::Option CommandBuilder::choice(const char* names, std::string& value, const char* description,
                                              const char* value_name,
                                              const std::vector<std::string>& choices) {
  return app_->add_option(names, value, description)->check(CLI::IsMember(choices))->type_name(value_name);
}

CommandBuilder::Option CommandBuilder::list(const char* names, std::vector<std::string>& values,
                                            const char* description, const char* value_name) {
  return app_->add_option(names, values, description)->allow_extra_args(false)->type_name(value_name);
}

CommandBuilder::Option CommandBuilder::flag(const char* names, bool& value, const char* description) {
  return app_->add_flag(names, value, description);
}

void CommandBuilder::words(std::vector<std::string>& value, const char* form, const char* description,
                           int min, int max) {
  auto* option = app_->add_option("WORDS", value, description)->type_name("")->expected(min, max);
  if (min > 0) option->required();
  app_->formatter(std::make_shared<FormFormatter>(form));
}

void CommandBuilder::word(std::string& value, const char* name, const char* description) {
  app_->add_option(name, value, description)->type_name("");
}

void CommandBuilder::choice_word(std::string& value, const char* name, const char* description,
                                 const std::vector<std::string>& choices) {
  app_->add_option(name, value, description)->check(CLI::IsMember(choices))->type_name("")->required();
}

void CommandBuilder::exclusive(Option a, Option b) {
  a->excludes(b);
}

void CommandBuilder::footer(const char* text) {
  app_->footer(text);
}

CommandBuilder Program::begin(const char* name, const char* description) {
  return CommandBuilder(*app_.add_subcommand(name, description));
}

void Program::finish(const char* name, Action action) {
  app_.get_subcommand(name)->callback([&chosen = action_, action = std::move(action)] { chosen = action; });
}

}  // namespace krigon::cli
