#include "eval/line_plot.h"

#include <doctest/doctest.h>

#include <cmath>

namespace cadre {

TEST_CASE("line plot: every line is drawn, broken where a value is missing") {
  const std::string svg =
      eval::line_plot_svg({.title = "a < b & c", .x = "x", .y = "y"},
                          {{"one", {1, 2, 3, 4, 5}, {1, 2, NAN, 4, 5}}, {"two", {1, 5}, {3, 3}}});
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(svg.find("a &lt; b &amp; c") != std::string::npos);
  // From (1, 1), the lower left corner, to (5, 5), the upper right one.
  CHECK(svg.find("d=\"M80.0 380.0L270.0 295.0M650.0 125.0L840.0 40.0\"") != std::string::npos);
  CHECK(svg.find("d=\"M80.0 210.0L840.0 210.0\"") != std::string::npos);
}

TEST_CASE("line plot: what spans magnitudes has a logarithmic axis") {
  const std::string svg =
      eval::line_plot_svg({.title = "", .x = "", .y = ""}, {{"", {0, 1, 2}, {1, 10, 100}}});
  CHECK(svg.find("d=\"M80.0 380.0L460.0 210.0L840.0 40.0\"") != std::string::npos);
  CHECK(svg.find(">20</text>") != std::string::npos);
}

TEST_CASE("line plot: nothing and constants can be drawn") {
  CHECK(eval::line_plot_svg({.title = "t", .x = "", .y = ""}, {}).ends_with("</svg>\n"));
  const std::string svg =
      eval::line_plot_svg({.title = "t", .x = "", .y = ""}, {{"", {0, 1}, {0, 0}}});
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.find("inf") == std::string::npos);
}

}  // namespace cadre
