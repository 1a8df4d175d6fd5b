#include "cli/command.h"

int main(int argc, char** argv) { return cadre::cli::run_program(argc, argv); }
