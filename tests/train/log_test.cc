#include <doctest/doctest.h>

#include <fstream>
#include <limits>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/json.h"
#include "tests/scratch_folder.h"
#include "tests/train/tiny.h"
#include "train/log/records.h"
#include "train/log/run_log.h"
#include "train/log/tensorboard.h"

namespace cadre::train {
namespace {

TEST_CASE("crc32c: known answers") {
  // RFC 3720, appendix B.4, and the check value of the Castagnoli polynomial.
  CHECK(crc32c("123456789") == 0xe3069283u);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aau);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43u);
  CHECK(crc32c("") == 0u);
}

TEST_CASE("event records: framed with length and checksums, the step inside") {
  const std::string record = event_record(1.5, 300, {{"train/loss", 2.5}});
  uint64_t length = 0;
  std::memcpy(&length, record.data(), 8);
  REQUIRE(record.size() == 8 + 4 + length + 4);
  uint32_t crc = 0;
  std::memcpy(&crc, record.data() + 8, 4);
  CHECK(crc == masked_crc32c(record.substr(0, 8)));
  std::memcpy(&crc, record.data() + 12 + length, 4);
  CHECK(crc == masked_crc32c(record.substr(12, length)));
  CHECK(record.find("train/loss") != std::string::npos);
  CHECK(record.find(std::string("\x10\xac\x02", 3)) != std::string::npos);  // field 2, varint 300
}

StepReport step_report(int64_t step) {
  StepReport report;
  report.step = step;
  report.loss = 5.0 / static_cast<double>(step);
  return report;
}

int64_t count_lines(const std::filesystem::path& file) {
  const std::string text = read_text_file(file);
  return std::count(text.begin(), text.end(), '\n');
}

TEST_CASE("metrics: a resumed log drops later lines and a torn last one") {
  ScratchFolder folder;
  {
    RunLog log(folder.path(), -1);
    for (int64_t step = 1; step <= 10; ++step) log.on_step(step_report(step));
    log.on_finish(10);
  }
  const auto events = std::filesystem::file_size(folder / "events.out.tfevents.1.cadre");
  std::ofstream(folder / "metrics.jsonl", std::ios::app) << "{\"event\":\"train\",\"st";
  {
    RunLog log(folder.path(), 10);
    CHECK(count_lines(folder / "metrics.jsonl") == 10);
    CHECK(std::filesystem::file_size(folder / "events.out.tfevents.1.cadre") == events);
  }
  {
    RunLog log(folder.path(), 6);
    log.on_step(step_report(7));
  }
  CHECK(count_lines(folder / "metrics.jsonl") == 7);
  RunLog log(folder.path(), -1);
  CHECK(count_lines(folder / "metrics.jsonl") == 0);
}

TEST_CASE("metrics: what was no number is none again when a run goes on") {
  ScratchFolder folder;
  const auto events = [&] { return read_text_file(folder / "events.out.tfevents.1.cadre"); };
  const size_t head = version_record(0.0).size();  // holds the time
  std::string written;
  {
    RunLog log(folder.path(), -1);
    StepReport report = step_report(1);
    report.loss = std::numeric_limits<double>::quiet_NaN();
    log.on_step(report);
    ValidationReport validation;
    validation.step = 1;
    validation.total.loss = std::numeric_limits<double>::quiet_NaN();
    log.on_validation(validation);
    written = events();
  }
  const std::string page = read_text_file(folder / "report.html");
  RunLog log(folder.path(), 1);
  CHECK(events().substr(head) == written.substr(head));
  log.write_report();
  CHECK(read_text_file(folder / "report.html") == page);
}

TEST_CASE("metrics: a line whose step is no whole number ends what is read") {
  for (const char* step : {"null", "1e300", "\"2\"", "2.5"}) {
    CAPTURE(std::string(step));
    ScratchFolder folder;
    std::ofstream(folder / "metrics.jsonl")
        << "{\"event\":\"train\",\"step\":1,\"loss\":1}\n"
        << "{\"event\":\"train\",\"step\":" << step << ",\"loss\":1}\n";
    RunLog log(folder.path(), 5);
    CHECK(count_lines(folder / "metrics.jsonl") == 1);
  }
}

TEST_CASE("report: one file with everything in it, whatever samples contain") {
  Report report;
  for (int64_t step = 1; step <= 50000; ++step) report.add(step_record(0.0, step_report(step)));
  report.add(sample_record(0.0, 50000, {"</script><script>alert(1)", "<!-- \xff"}));
  RouterReport routers;
  for (int64_t step = 0; step < 1000; ++step) {
    routers.step = step;
    routers.layers = {{0, {1, 2, 3, 4}, 0.9, 0, 1.6, 0.5, 1.0}};
    report.add(routers_record(0.0, routers));
  }
  const std::string html = report.html();
  CHECK(html.size() < 400000);
  CHECK(html.find("</script><script>alert") == std::string::npos);
  CHECK(html.find("http://") == html.find("http://www.w3.org/2000/svg"));  // a name, not a request
  CHECK(html.find("https://") == std::string::npos);
  CHECK(html.find("\"curves\"") != std::string::npos);
}

TEST_CASE("records: every number that a picture shows is a scalar for TensorBoard") {
  ValidationReport validation;
  validation.sources = {{"prose", 10, 40, 2.0, 0.7, {{1, 2}}}};
  const auto scalars = scalars_of(validation_record(0.0, validation));
  REQUIRE(scalars.size() == 4);
  CHECK(scalars[3].first == "validation/prose/bits_per_byte");
  CHECK(scalars[3].second == 0.7);
  CHECK(scalars_of(warning_record(0.0, 1, "x")).empty());
}

}  // namespace
}  // namespace cadre::train
