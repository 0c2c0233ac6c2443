#pragma once

#include "cli/program.hpp"

/// Each adds one command to the program; one file a command.
namespace krigon::cli {

void add_run(Program& program);
void add_worker(Program& program);
void add_submit(Program& program);
void add_check(Program& program);
void add_status(Program& program);
void add_best(Program& program);
void add_trials(Program& program);
void add_show(Program& program);
void add_reproduce(Program& program);
void add_ask(Program& program);
void add_tell(Program& program);
void add_report(Program& program);
void add_pipe(Program& program);
void add_enqueue(Program& program);
void add_export(Program& program);
void add_import(Program& program);
void add_list(Program& program);
void add_delete(Program& program);
void add_doctor(Program& program);
void add_completion(Program& program);

}  // namespace krigon::cli
