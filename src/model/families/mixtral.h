// The Mixtral family.
#pragma once

#include "model/families/family.h"

namespace cadre::model {

extern const Family kMixtral;

}  // namespace cadre::model
