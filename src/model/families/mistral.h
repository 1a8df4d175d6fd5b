// The Mistral family.
#pragma once

#include "model/families/family.h"

namespace cadre::model {

extern const Family kMistral;

}  // namespace cadre::model
