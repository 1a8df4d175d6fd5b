# Turns report.html into a source file with the page as a string: cmake -DINPUT= -DOUTPUT= -P this.
file(READ ${INPUT} page)
file(WRITE ${OUTPUT} "#include \"train/log/report_template.h\"

namespace cadre::train {

std::string_view report_template() { return R\"REPORT(${page})REPORT\"; }

}  // namespace cadre::train
")
