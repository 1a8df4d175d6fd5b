// The Yuan 2.0 family: M32, a mixture with an attention router, and the dense models before it.
#pragma once

#include "model/families/family.h"

namespace cadre::model {

extern const Family kYuan;

}  // namespace cadre::model
