// What the benchmarks of `cadre bench` share.
#pragma once

#include <vector>

namespace CLI {
class App;
}

namespace cadre::cli {

void setup_bench_train(CLI::App& app);
void setup_bench_moe(CLI::App& app);

struct BenchModelOptions;
void add_bench_model_options(CLI::App& app, BenchModelOptions& options);
void run_bench_model(const BenchModelOptions& options);

// The mean of the middle two for an even number; values must not be empty.
double median_of(std::vector<double> values);

}  // namespace cadre::cli
