// SPDX-License-Identifier: Apache-2.0
#include "decoder.hpp"

#include <initializer_list>
#include <stdexcept>
#include <string>

namespace tinyformer {

namespace {

bool starts_with_any(const std::string& text, std::initializer_list<const char*> prefixes) {
    for (const char* prefix : prefixes) {
        if (text.rfind(prefix, 0) == 0) return true;
    }
    return false;
}

bool is_any(unsigned id, std::initializer_list<unsigned> ids) {
    for (unsigned candidate : ids) {
        if (id == candidate) return true;
    }
    return false;
}

bool is_double(unsigned reg) { return reg >= ARM_REG_D0 && reg <= ARM_REG_D31; }

bool is_register(const cs_arm_op& operand) { return operand.type == ARM_OP_REG; }

// PUSH, POP, VPUSH, VPOP: their base register is implicit.
bool has_implicit_base(unsigned id) { return is_any(id, {ARM_INS_PUSH, ARM_INS_POP, ARM_INS_VPUSH, ARM_INS_VPOP}); }

// The transfer part of an instruction: loads, stores, how many words.
void classify_transfer(const cs_insn& raw, Instruction* out) {
    const std::string name = raw.mnemonic;
    const cs_arm& arm = raw.detail->arm;
    const bool load_multiple = starts_with_any(name, {"ldm", "vldm"}) || is_any(raw.id, {ARM_INS_POP, ARM_INS_VPOP});
    const bool store_multiple = starts_with_any(name, {"stm", "vstm"}) || is_any(raw.id, {ARM_INS_PUSH, ARM_INS_VPUSH});
    if (load_multiple || store_multiple) {
        out->traits |= (load_multiple ? kLoad : kStore) | kMultiple | kAlone;
        if (name[0] == 'v') out->traits |= kFloatTransfer;
        for (int index = has_implicit_base(raw.id) ? 0 : 1; index < arm.op_count; ++index) {
            out->accesses += 1;
            out->words += is_double(arm.operands[index].reg) ? 2 : 1;
        }
        return;
    }
    if (is_any(raw.id, {ARM_INS_LDRD, ARM_INS_STRD})) {
        out->traits |= (raw.id == ARM_INS_LDRD ? kLoad : kStore) | kMultiple | kDoubleWord | kAlone;
        out->accesses = out->words = 2;
        return;
    }
    if (is_any(raw.id, {ARM_INS_TBB, ARM_INS_TBH})) {
        out->traits |= kLoad | kTableBranch | kBranch | kIndirect | kAlone;
        out->accesses = out->words = 1;
        return;
    }
    const bool load = starts_with_any(name, {"ldr", "vldr"});
    if (!load && !starts_with_any(name, {"str", "vstr"})) return;
    out->traits |= load ? kLoad : kStore;
    if (name[0] == 'v') out->traits |= kFloatTransfer;
    out->accesses = out->words = 1;
    if (load) {
        const bool narrow = is_any(raw.id, {ARM_INS_LDRB, ARM_INS_LDRH, ARM_INS_LDRSB, ARM_INS_LDRSH});
        out->latency = narrow ? Latency::NarrowLoad : Latency::WordLoad;
    }
    if (is_any(raw.id, {ARM_INS_VLDR, ARM_INS_VSTR}) && is_double(arm.operands[0].reg)) {
        out->traits |= kDoubleWord;
        out->words = 2;
    }
}

void classify_branch(const cs_insn& raw, const cs_regs written, unsigned written_count, Instruction* out) {
    const bool branch = is_any(raw.id, {ARM_INS_B, ARM_INS_BL, ARM_INS_BX, ARM_INS_BLX, ARM_INS_CBZ, ARM_INS_CBNZ});
    if (branch) {
        out->traits |= kBranch;
        if (is_any(raw.id, {ARM_INS_BX, ARM_INS_BLX})) out->traits |= kIndirect;
        if ((raw.id == ARM_INS_B && out->has(kPredicated)) || is_any(raw.id, {ARM_INS_CBZ, ARM_INS_CBNZ})) {
            out->traits |= kConditionalBranch;
        }
        return;
    }
    for (unsigned index = 0; index < written_count; ++index) {
        if (written[index] == ARM_REG_PC) {
            out->traits |= kBranch | kIndirect;
            if (out->has(kLoad)) out->traits |= kLoadsPc;
        }
    }
}

// Which unit a data-processing instruction occupies, and whether an operand passes the shifter first.
// Returns true if it does.
bool classify_operation(const cs_insn& raw, Instruction* out, bool* accumulates) {
    const std::string name = raw.mnemonic;
    const cs_arm& arm = raw.detail->arm;
    bool shifted = false;
    for (int index = 0; index < arm.op_count; ++index) {
        if (is_register(arm.operands[index]) && arm.operands[index].shift.type != ARM_SFT_INVALID) shifted = true;
    }
    if (starts_with_any(name, {"smla", "smls", "mla", "mls", "smmla", "smmls", "umla", "umaal"})) {
        out->traits |= kMultiply;
        out->latency = Latency::Multiply;
        *accumulates = true;
    } else if (starts_with_any(name, {"mul", "smul", "umul", "smmul", "smu"})) {
        out->traits |= kMultiply;
        out->latency = Latency::Multiply;
    } else if (is_any(raw.id, {ARM_INS_SDIV, ARM_INS_UDIV})) {
        out->traits |= kDivide | kAlone;
    } else if (name[0] == 'v' && !out->has(kLoad | kStore)) {
        out->traits |= kFloat;
        out->latency = Latency::Float;
        if (name.find(".f64") != std::string::npos) out->traits |= kDoublePrecision;
        if (starts_with_any(name, {"vdiv", "vsqrt"})) {
            out->traits |= kFloatDivide;
            out->latency = name[1] == 'd' ? Latency::FloatDivide : Latency::FloatRoot;
        } else if (starts_with_any(name, {"vmul", "vnmul"})) {
            out->traits |= kFloatMultiply;
        } else if (starts_with_any(name, {"vmov"})) {
            out->traits |= kFloatMove;
        } else if (starts_with_any(name, {"vml", "vfm", "vfn", "vnml"})) {
            out->traits |= kFloatAccumulate;
            if (starts_with_any(name, {"vfm", "vfn"})) out->traits |= kFused;
            out->latency = Latency::FloatAccumulate;
        }
    } else if (is_any(raw.id, {ARM_INS_SXTB16, ARM_INS_UXTB16})) {
        out->traits |= kFirstSlot | kShifter;
        shifted = false;  // its rotation costs nothing
    } else if (is_any(raw.id, {ARM_INS_SBFX, ARM_INS_UBFX})) {
        out->traits |= kFirstSlot | kShifter;
        shifted = true;
    } else if (is_any(raw.id, {ARM_INS_SXTAB16, ARM_INS_UXTAB16, ARM_INS_PKHBT, ARM_INS_PKHTB,  ARM_INS_SXTAB,
                               ARM_INS_SXTAH,   ARM_INS_UXTAB,   ARM_INS_UXTAH, ARM_INS_SADD16, ARM_INS_QADD16,
                               ARM_INS_QSUB16,  ARM_INS_SSUB16,  ARM_INS_QADD8, ARM_INS_SADD8,  ARM_INS_SEL,
                               ARM_INS_REV,     ARM_INS_RBIT,    ARM_INS_REV16, ARM_INS_SXTB,   ARM_INS_SXTH,
                               ARM_INS_UXTB,    ARM_INS_UXTH,    ARM_INS_BFI,   ARM_INS_BFC})) {
        out->traits |= kFirstSlot | kShifter;
    } else if (is_any(raw.id, {ARM_INS_SSAT, ARM_INS_USAT, ARM_INS_QADD, ARM_INS_QSUB, ARM_INS_QDADD, ARM_INS_SSAT16,
                               ARM_INS_USAT16})) {
        out->traits |= kFirstSlot | kShifter;
        out->latency = Latency::Saturate;
        shifted = true;
    } else if (raw.id == ARM_INS_CLZ) {
        out->traits |= kFirstSlot;
    } else if (is_any(raw.id, {ARM_INS_LSL, ARM_INS_LSR, ARM_INS_ASR, ARM_INS_ROR})) {
        out->traits |= kShifter;
    } else if (is_any(raw.id, {ARM_INS_MRS, ARM_INS_MSR, ARM_INS_DSB, ARM_INS_ISB, ARM_INS_DMB})) {
        out->traits |= kAlone;
    } else if (shifted) {
        out->traits |= kShifter;
    }
    if (name.rfind("it", 0) == 0) out->traits |= kIfThen;
    return shifted;
}

}  // namespace

Register register_number(unsigned reg) {
    if (reg >= ARM_REG_R0 && reg <= ARM_REG_R12) return static_cast<Register>(reg - ARM_REG_R0);
    if (reg >= ARM_REG_S0 && reg <= ARM_REG_S31) return static_cast<Register>(kFirstFloat + (reg - ARM_REG_S0));
    if (reg >= ARM_REG_D0 && reg <= ARM_REG_D15) return static_cast<Register>(kFirstFloat + 2 * (reg - ARM_REG_D0));
    switch (reg) {
        case ARM_REG_SP:
            return kStackPointer;
        case ARM_REG_LR:
            return kLinkRegister;
        case ARM_REG_PC:
            return kProgramCounter;
        case ARM_REG_CPSR:
        case ARM_REG_APSR:
            return kFlags;
        case ARM_REG_FPSCR:
        case ARM_REG_FPSCR_NZCV:
            return kFloatStatus;
        default:
            return kNoRegister;
    }
}

Decoder::Decoder() {
    const auto mode = static_cast<cs_mode>(CS_MODE_THUMB | CS_MODE_MCLASS);
    if (cs_open(CS_ARCH_ARM, mode, &capstone_) != CS_ERR_OK) throw std::runtime_error("capstone has no Arm support");
    cs_option(capstone_, CS_OPT_DETAIL, CS_OPT_ON);
}

Decoder::~Decoder() {
    for (std::size_t index = 0; index < owned_.size(); ++index) cs_free(owned_[index], owned_counts_[index]);
    cs_close(&capstone_);
}

std::vector<Decoder::Decoded> Decoder::decode(Address address, const std::uint8_t* code, std::size_t size) {
    for (std::size_t index = 0; index < owned_.size(); ++index) cs_free(owned_[index], owned_counts_[index]);
    owned_.clear();
    owned_counts_.clear();
    std::vector<Decoded> block;
    std::size_t offset = 0;
    while (offset < size) {
        // One call for the run, so that capstone carries the conditions of an IT block along.
        cs_insn* run = nullptr;
        const std::size_t count = cs_disasm(capstone_, code + offset, size - offset, address + offset, 0, &run);
        if (count != 0) {
            owned_.push_back(run);
            owned_counts_.push_back(count);
        }
        for (std::size_t index = 0; index < count; ++index) {
            block.push_back({translate(run[index]), &run[index]});
            offset += run[index].size;
        }
        if (offset < size) {  // an encoding that capstone does not know: skip it, it issues alone
            const unsigned half = code[offset] | (code[offset + 1] << 8);
            Instruction unknown;
            unknown.address = address + static_cast<Address>(offset);
            unknown.size = (half >> 11) >= 0x1D ? 4 : 2;
            unknown.traits = kAlone | kDataProcessing;
            offset += unknown.size;
            block.push_back({unknown, nullptr});
        }
    }
    return block;
}

Instruction Decoder::translate(const cs_insn& raw) const {
    const cs_arm& arm = raw.detail->arm;
    Instruction out;
    out.address = static_cast<Address>(raw.address);
    out.size = static_cast<std::uint8_t>(raw.size);
    if (arm.cc != ARM_CC_AL && arm.cc != ARM_CC_INVALID) out.traits |= kPredicated;
    classify_transfer(raw, &out);

    cs_regs read, written;
    std::uint8_t read_count = 0, written_count = 0;
    cs_regs_access(capstone_, &raw, read, &read_count, written, &written_count);
    classify_branch(raw, written, written_count, &out);
    bool accumulates = false;
    const bool shifted = classify_operation(raw, &out, &accumulates);
    if (!out.has(kLoad | kStore | kBranch | kMultiply | kDivide | kFloat | kIfThen)) out.traits |= kDataProcessing;

    const bool transfer = out.has(kLoad | kStore);
    const bool multiple = out.has(kMultiple);
    Register base = kNoRegister;
    for (int index = 0; index < arm.op_count; ++index) {
        const cs_arm_op& operand = arm.operands[index];
        if (operand.type != ARM_OP_MEM) continue;
        base = register_number(operand.mem.base);
        if (base != kProgramCounter) out.address_registers |= bit(base);
        if (operand.mem.index != ARM_REG_INVALID) {
            out.address_registers |= bit(register_number(operand.mem.index));
            out.traits |= kRegisterOffset;
        }
    }
    if (multiple && !out.has(kDoubleWord)) {
        base = has_implicit_base(raw.id) ? kStackPointer : register_number(arm.operands[0].reg);
        out.address_registers |= bit(base);
    }
    const Register first =
        arm.op_count > 0 && is_register(arm.operands[0]) ? register_number(arm.operands[0].reg) : kNoRegister;
    if (out.has(kLoad) && !multiple) out.loaded = bit(first);

    RegisterSet accumulators = 0;
    if (accumulates && arm.op_count >= 4 && is_register(arm.operands[3])) {
        accumulators = bit(register_number(arm.operands[3].reg));
    }
    if (out.has(kFloatAccumulate)) accumulators = bit(first);
    if (starts_with_any(raw.mnemonic, {"smlal", "umlal"})) {
        accumulators = bit(first) | bit(register_number(arm.operands[1].reg));
    }

    auto passes_shifter = [&](Register number) {
        if (!shifted || !out.has(kShifter)) return false;
        for (int index = 0; index < arm.op_count; ++index) {
            const cs_arm_op& operand = arm.operands[index];
            if (!is_register(operand) || register_number(operand.reg) != number) continue;
            if (operand.shift.type != ARM_SFT_INVALID || arm.op_count == 2 || out.latency == Latency::Saturate)
                return true;
        }
        return false;
    };
    for (unsigned index = 0; index < read_count; ++index) {
        const Register number = register_number(read[index]);
        out.reads |= bit(number);
        if (number == kNoRegister || number == kProgramCounter) continue;
        SourceRole role = SourceRole::Plain;
        if (transfer) {
            if ((out.address_registers & bit(number)) != 0) {
                role = SourceRole::Address;
            } else if (out.has(kStore) && number != kFlags) {
                role = SourceRole::StoreData;
            }
        } else if (number == kFlags && out.has(kBranch)) {
            continue;  // the outcome is predicted
        } else if (passes_shifter(number)) {
            role = SourceRole::Shifted;
        } else if ((accumulators & bit(number)) != 0) {
            role = SourceRole::Accumulator;
        }
        out.sources.push_back({number, role});
    }
    for (unsigned index = 0; index < written_count; ++index) {
        const Register number = register_number(written[index]);
        out.writes |= bit(number);
        if (number == kNoRegister || number == kProgramCounter) continue;
        ResultRole role = ResultRole::Value;
        if (number == kFlags && !out.has(kMultiply)) {
            role = ResultRole::Flags;
        } else if (out.has(kStore) || (out.has(kLoad) && number == base && arm.writeback)) {
            role = ResultRole::BaseUpdate;
        }
        out.results.push_back({number, role});
    }
    out.writes &= ~bit(kProgramCounter);
    return out;
}

}  // namespace tinyformer
