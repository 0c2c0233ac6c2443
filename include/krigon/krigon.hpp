#pragma once

#include "krigon/error.hpp"
#include "krigon/space.hpp"
#include "krigon/study.hpp"
#include "krigon/value.hpp"
