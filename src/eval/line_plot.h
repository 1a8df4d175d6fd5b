// Lines over a common axis as an SVG file, which browsers show and pages embed.
#pragma once

#include <string>
#include <vector>

namespace cadre::eval {

struct PlotLine {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;  // as many; values that are not finite, or not positive on a logarithmic
                          // axis, are left out and interrupt the line
};

struct PlotLabels {
  std::string title;
  std::string x;
  std::string y;
};

// The y axis is logarithmic if all values span more than a factor of 20. Names and labels may hold
// any characters.
std::string line_plot_svg(const PlotLabels& labels, const std::vector<PlotLine>& lines);

}  // namespace cadre::eval
