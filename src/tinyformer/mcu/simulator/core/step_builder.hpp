// SPDX-License-Identifier: Apache-2.0
// Translation of single instructions to steps of an AddressProgram.
#pragma once
#include <optional>

#include "address_program.hpp"

namespace tinyformer {

// The effect of an instruction, or nothing if the vocabulary of Step cannot say it.
std::optional<Step> build_step(const Decoder::Decoded& decoded);

}  // namespace tinyformer
