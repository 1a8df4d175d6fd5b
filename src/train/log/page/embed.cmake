# Turns a page into a source file with a function that returns it, the style and the charts that the
# pages share in place: cmake -DPAGE=FILE -DFUNCTION=NAME -DOUTPUT=FILE -P this.
get_filename_component(folder ${PAGE} DIRECTORY)
file(READ ${PAGE} page)
file(READ ${folder}/style.css style)
file(READ ${folder}/charts.js charts)
string(REPLACE "/*STYLE*/\n" "${style}" page "${page}")
string(REPLACE "/*CHARTS*/\n" "${charts}" page "${page}")
file(WRITE ${OUTPUT} "#include \"train/log/page.h\"

namespace cadre::train {

std::string_view ${FUNCTION}() { return R\"PAGE(${page})PAGE\"; }

}  // namespace cadre::train
")
