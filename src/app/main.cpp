#include "app/services.hpp"
#include "cli/cli.hpp"

int main(int argc, char** argv) {
  return krigon::cli::main(argc, argv, krigon::app::make_services());
}
