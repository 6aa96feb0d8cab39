#pragma once

#include "proxy/base/policies.h"

/*
 * Let this process open as many descriptors as its POLICIES may take, and not
 * more; the operator is told when it may not open so many.
 */
void fd_limit_allow(const struct policies *policies);
