#include "eval/line_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>

namespace cadre::eval {
namespace {

constexpr double kWidth = 860, kHeight = 440;
constexpr double kLeft = 80, kRight = 20, kTop = 40, kBottom = 60;
// Okabe and Ito's colours, told apart by every eye.
constexpr std::array kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '<':
        result += "&lt;";
        break;
      case '&':
        result += "&amp;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

struct Axis {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  bool logarithmic = false;

  bool shows(double value) const { return std::isfinite(value) && (!logarithmic || value > 0); }
  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void make_sane() {
    if (low > high) low = high = 1.0;
    if (low == high) {
      low -= 0.5 * std::abs(low);
      high += low == high ? 1.0 : 0.5 * std::abs(high);
    }
  }
  double share(double value) const {
    if (logarithmic) return std::log(value / low) / std::log(high / low);
    return (value - low) / (high - low);
  }
  // Round values within the axis: 1, 2 and 5 of each power of ten, or steps of such a width.
  std::vector<double> ticks() const {
    std::vector<double> result;
    if (logarithmic) {
      for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10) {
        for (const double digit : {1, 2, 5}) {
          if (const double at = digit * power; at >= low && at <= high) result.push_back(at);
        }
      }
      return result;
    }
    const double raw = (high - low) / 6;
    const double power = std::pow(10, std::floor(std::log10(raw)));
    double step = 10 * power;
    for (const double digit : {5, 2, 1}) {
      if (digit * power >= raw) step = digit * power;
    }
    for (double at = std::ceil(low / step) * step; at <= high; at += step) result.push_back(at);
    return result;
  }
};

double across(const Axis& x, double value) {
  return kLeft + x.share(value) * (kWidth - kLeft - kRight);
}
double down(const Axis& y, double value) {
  return kHeight - kBottom - y.share(value) * (kHeight - kTop - kBottom);
}

std::string path_of(const PlotLine& line, const Axis& x, const Axis& y) {
  std::string path;
  bool drawing = false;
  for (size_t i = 0; i < std::min(line.x.size(), line.y.size()); ++i) {
    if (!x.shows(line.x[i]) || !y.shows(line.y[i])) {
      drawing = false;
      continue;
    }
    fmt::format_to(std::back_inserter(path), "{}{:.1f} {:.1f}", drawing ? 'L' : 'M',
                   across(x, line.x[i]), down(y, line.y[i]));
    drawing = true;
  }
  return path;
}

}  // namespace

std::string line_plot_svg(const PlotLabels& labels, const std::vector<PlotLine>& lines) {
  Axis x, y;
  double smallest = std::numeric_limits<double>::infinity();
  for (const PlotLine& line : lines) {
    for (const double value : line.x) {
      if (x.shows(value)) x.include(value);
    }
    for (const double value : line.y) {
      if (!y.shows(value)) continue;
      y.include(value);
      smallest = std::min(smallest, value);
    }
  }
  y.logarithmic = smallest > 0 && y.high > 20 * smallest;
  x.make_sane();
  y.make_sane();

  std::string svg;
  const auto add = [&]<typename... Values>(fmt::format_string<Values...> format,
                                           Values&&... values) {
    fmt::format_to(std::back_inserter(svg), format, std::forward<Values>(values)...);
  };
  add("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" "
      "font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kWidth, kHeight);
  add("<text x=\"{}\" y=\"22\" font-size=\"15\">{}</text>\n", kLeft, escaped(labels.title));
  for (const double tick : x.ticks()) {
    add("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{:g}</text>\n",
        across(x, tick), kHeight - kBottom + 18, tick);
  }
  for (const double tick : y.ticks()) {
    const double at = down(y, tick);
    add("<path d=\"M{} {:.1f}H{}\" stroke=\"#ddd\"/>\n", kLeft, at, kWidth - kRight);
    add("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\" fill=\"#555\">{:g}</text>\n", kLeft - 8,
        at + 4, tick);
  }
  add("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", (kLeft + kWidth - kRight) / 2,
      kHeight - 16, escaped(labels.x));
  add("<text transform=\"translate(18 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
      (kTop + kHeight - kBottom) / 2, escaped(labels.y));
  for (size_t i = 0; i < lines.size(); ++i) {
    const char* const colour = kColours[i % kColours.size()];
    add("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\"/>\n",
        path_of(lines[i], x, y), colour);
    add("<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"{}\">{}</text>\n", kWidth - kRight,
        kTop + 16 * static_cast<double>(i + 1), colour, escaped(lines[i].name));
  }
  svg += "</svg>\n";
  return svg;
}

}  // namespace cadre::eval
