#pragma once

#include "krigon/acquisition.hpp"
#include "krigon/error.hpp"
#include "krigon/gp.hpp"
#include "krigon/space.hpp"
#include "krigon/study.hpp"
#include "krigon/value.hpp"
