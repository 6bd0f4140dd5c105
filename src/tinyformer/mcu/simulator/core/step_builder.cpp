// SPDX-License-Identifier: Apache-2.0
#include "step_builder.hpp"

#include <string>

namespace tinyformer {

namespace {

std::uint8_t condition_of(const cs_arm& arm) {
    if (arm.cc == ARM_CC_INVALID) return 14;
    return static_cast<std::uint8_t>(arm.cc - ARM_CC_EQ);  // capstone counts in the order of the encoding
}

Shift shift_of(arm_shifter type) {
    switch (type) {
        case ARM_SFT_LSL:
        case ARM_SFT_LSL_REG:
            return Shift::Left;
        case ARM_SFT_LSR:
        case ARM_SFT_LSR_REG:
            return Shift::Right;
        case ARM_SFT_ASR:
        case ARM_SFT_ASR_REG:
            return Shift::Arithmetic;
        case ARM_SFT_ROR:
        case ARM_SFT_ROR_REG:
            return Shift::Rotate;
        default:
            return Shift::None;
    }
}

// Takes a register or immediate operand, with its shift, as the right operand. False for what Step cannot say.
bool take_right(const cs_arm_op& operand, Step* step) {
    if (operand.type == ARM_OP_IMM) {
        step->immediate = static_cast<std::uint32_t>(operand.imm);
        return true;
    }
    if (operand.type != ARM_OP_REG) return false;
    step->right = register_number(operand.reg);
    if (operand.shift.type == ARM_SFT_INVALID) return true;
    step->shift = shift_of(operand.shift.type);
    if (step->shift == Shift::None) return false;  // RRX
    if (operand.shift.type >= ARM_SFT_ASR_REG) {
        step->shift_register = register_number(operand.shift.value);
    } else {
        step->shift_amount = static_cast<std::uint8_t>(operand.shift.value);
    }
    return true;
}

bool touches(const Step& step, Register number) {
    return step.left == number || step.right == number || step.third == number || step.target == number;
}

// Rd, [Rn,] operand2
std::optional<Step> binary(Step step, const cs_arm& arm) {
    step.target = register_number(arm.operands[0].reg);
    const bool two = arm.op_count == 2;
    const cs_arm_op& left = arm.operands[two ? 0 : 1];
    if (left.type != ARM_OP_REG || !take_right(arm.operands[two ? 1 : 2], &step)) return {};
    step.left = register_number(left.reg);
    if (touches(step, kProgramCounter)) return {};
    return step;
}

// Rd, operand2
std::optional<Step> unary(Step step, const cs_arm& arm) {
    step.target = register_number(arm.operands[0].reg);
    if (!take_right(arm.operands[arm.op_count - 1], &step) || touches(step, kProgramCounter)) return {};
    return step;
}

// Rn, operand2, flags only
std::optional<Step> compare(Step step, const cs_arm& arm) {
    step.sets_flags = true;
    step.writes_result = false;
    step.left = register_number(arm.operands[0].reg);
    if (!take_right(arm.operands[1], &step) || touches(step, kProgramCounter)) return {};
    return step;
}

// LSL, LSR, ASR, ROR: a move whose operand is shifted.
std::optional<Step> shift(Step step, const cs_arm& arm, Shift kind) {
    step.operation = Operation::Move;
    step.target = register_number(arm.operands[0].reg);
    const bool two = arm.op_count == 2;
    const cs_arm_op& value = arm.operands[two && arm.operands[1].shift.type == ARM_SFT_INVALID ? 0 : 1];
    if (two && arm.operands[1].shift.type != ARM_SFT_INVALID) {
        if (!take_right(value, &step)) return {};
    } else {
        const cs_arm_op& amount = arm.operands[arm.op_count - 1];
        step.right = register_number(value.reg);
        step.shift = kind;
        if (amount.type == ARM_OP_IMM) {
            step.shift_amount = static_cast<std::uint8_t>(amount.imm);
        } else {
            step.shift_register = register_number(amount.reg);
        }
    }
    if (touches(step, kProgramCounter)) return {};
    return step;
}

std::optional<Step> multiply(Step step, const cs_arm& arm) {
    step.target = register_number(arm.operands[0].reg);
    const int first = arm.op_count == 2 ? 0 : 1;
    step.left = register_number(arm.operands[first].reg);
    step.right = register_number(arm.operands[first + 1].reg);
    if (arm.op_count == 4) step.third = register_number(arm.operands[3].reg);
    return step;
}

std::optional<Step> extend(Step step, const cs_arm& arm) {
    auto built = unary(step, arm);
    if (built && built->right == kNoRegister) return {};
    return built;
}

std::optional<Step> bit_field(Step step, const cs_arm& arm) {
    step.target = register_number(arm.operands[0].reg);
    const int numbers = step.operation == Operation::ClearField ? 1 : 2;
    step.right = numbers == 2 ? register_number(arm.operands[1].reg) : kNoRegister;
    step.left = step.operation == Operation::InsertField || numbers == 1 ? step.target : kNoRegister;
    step.low = static_cast<std::uint8_t>(arm.operands[numbers].imm);
    step.width = static_cast<std::uint8_t>(arm.operands[numbers + 1].imm);
    return step;
}

unsigned access_size(const std::string& name, const cs_arm& arm) {
    if (name[0] == 'v') return arm.operands[0].reg >= ARM_REG_D0 && arm.operands[0].reg <= ARM_REG_D31 ? 8 : 4;
    const std::size_t at = name.find_first_of('.') == std::string::npos ? name.size() : name.find_first_of('.');
    const std::string stem = name.substr(3, at - 3);
    const std::size_t suffix = stem.rfind("ex", 0) == 0 ? 2 : (stem.rfind('s', 0) == 0 ? 1 : 0);
    const char kind = suffix < stem.size() ? stem[suffix] : 'w';
    return kind == 'b' ? 1 : (kind == 'h' ? 2 : 4);
}

std::optional<Step> single_access(Step step, const Decoder::Decoded& decoded) {
    const cs_insn& raw = *decoded.raw;
    const cs_arm& arm = raw.detail->arm;
    const std::string name = raw.mnemonic;
    const bool pair = raw.id == ARM_INS_LDRD || raw.id == ARM_INS_STRD;
    step.count = pair ? 2 : 1;
    step.size = static_cast<std::uint8_t>(pair ? 4 : access_size(name, arm));
    step.sign_extend = name.rfind("ldrs", 0) == 0;
    int position = -1;
    for (int index = 0; index < arm.op_count; ++index) {
        if (arm.operands[index].type == ARM_OP_MEM) position = index;
    }
    if (decoded.instruction.has(kTableBranch)) {
        step.size = raw.id == ARM_INS_TBB ? 1 : 2;
        step.value_needed = false;
        position = 0;
    } else if (name[0] != 'v') {
        const int first = name.rfind("strex", 0) == 0 ? 1 : 0;
        step.target = register_number(arm.operands[first].reg);
        if (pair) step.second_target = register_number(arm.operands[1].reg);
    }
    if (position < 0) return {};
    const cs_arm_op& memory = arm.operands[position];
    step.left = register_number(memory.mem.base);
    step.immediate = static_cast<std::uint32_t>(memory.mem.disp);
    if (memory.mem.index != ARM_REG_INVALID) {
        step.right = register_number(memory.mem.index);
        step.negative_index = memory.mem.scale < 0 || memory.subtracted;
        step.shift = Shift::Left;
        step.shift_amount = static_cast<std::uint8_t>(memory.mem.lshift != 0 ? memory.mem.lshift : memory.shift.value);
        if (raw.id == ARM_INS_TBH) step.shift_amount = 1;
    }
    if (position + 1 < arm.op_count) {  // [Rn], #offset
        const cs_arm_op& offset = arm.operands[position + 1];
        if (offset.type != ARM_OP_IMM) return {};
        step.post_index = true;
        step.immediate = static_cast<std::uint32_t>(offset.subtracted ? -offset.imm : offset.imm);
    }
    step.write_back = arm.writeback || step.post_index;
    if (step.left == kProgramCounter) {  // a literal, or a table behind the branch
        const Address pc = decoded.instruction.address + 4;
        step.left = kNoRegister;
        step.immediate += decoded.instruction.has(kTableBranch) ? pc : pc & ~Address{3};
    }
    return step;
}

std::optional<Step> multiple_access(Step step, const Decoder::Decoded& decoded) {
    const cs_insn& raw = *decoded.raw;
    const cs_arm& arm = raw.detail->arm;
    const std::string name = raw.mnemonic;
    const bool implicit_base = name.find("push") != std::string::npos || name.find("pop") != std::string::npos;
    step.left = implicit_base ? kStackPointer : register_number(arm.operands[0].reg);
    step.descending = name.find("db") != std::string::npos || name.find("push") != std::string::npos;
    step.write_back = implicit_base || arm.writeback;
    for (int index = implicit_base ? 0 : 1; index < arm.op_count; ++index) {
        step.list.push_back(register_number(arm.operands[index].reg));
        if (arm.operands[index].reg >= ARM_REG_D0 && arm.operands[index].reg <= ARM_REG_D31) step.size = 8;
    }
    step.count = static_cast<std::uint8_t>(step.list.size());
    return step;
}

std::optional<Step> build_access(Step step, const Decoder::Decoded& decoded) {
    const bool load = decoded.instruction.has(kLoad);
    const bool list = decoded.instruction.has(kMultiple) && !decoded.instruction.has(kDoubleWord);
    if (list) {
        step.operation = load ? Operation::LoadMultiple : Operation::StoreMultiple;
        return multiple_access(step, decoded);
    }
    step.operation = load ? Operation::Load : Operation::Store;
    return single_access(step, decoded);
}

}  // namespace

std::optional<Step> build_step(const Decoder::Decoded& decoded) {
    if (decoded.raw == nullptr) return {};
    const cs_arm& arm = decoded.raw->detail->arm;
    Step step;
    step.condition = condition_of(arm);
    step.sets_flags = arm.update_flags;
    if (decoded.instruction.has(kLoad | kStore)) return build_access(step, decoded);
    auto with = [&](Operation operation) {
        step.operation = operation;
        return step;
    };
    switch (decoded.raw->id) {
        case ARM_INS_MOV:
        case ARM_INS_MOVW:
            return unary(with(Operation::Move), arm);
        case ARM_INS_MVN:
            return unary(with(Operation::MoveNot), arm);
        case ARM_INS_ADD:
        case ARM_INS_ADDW:
            return binary(with(Operation::Add), arm);
        case ARM_INS_SUB:
        case ARM_INS_SUBW:
            return binary(with(Operation::Subtract), arm);
        case ARM_INS_RSB:
            return binary(with(Operation::ReverseSubtract), arm);
        case ARM_INS_ADC:
            return binary(with(Operation::AddCarry), arm);
        case ARM_INS_SBC:
            return binary(with(Operation::SubtractCarry), arm);
        case ARM_INS_AND:
            return binary(with(Operation::And), arm);
        case ARM_INS_ORR:
            return binary(with(Operation::Or), arm);
        case ARM_INS_ORN:
            return binary(with(Operation::OrNot), arm);
        case ARM_INS_EOR:
            return binary(with(Operation::Xor), arm);
        case ARM_INS_BIC:
            return binary(with(Operation::BitClear), arm);
        case ARM_INS_CMP:
            return compare(with(Operation::Subtract), arm);
        case ARM_INS_CMN:
            return compare(with(Operation::Add), arm);
        case ARM_INS_TST:
            return compare(with(Operation::And), arm);
        case ARM_INS_TEQ:
            return compare(with(Operation::Xor), arm);
        case ARM_INS_LSL:
            return shift(step, arm, Shift::Left);
        case ARM_INS_LSR:
            return shift(step, arm, Shift::Right);
        case ARM_INS_ASR:
            return shift(step, arm, Shift::Arithmetic);
        case ARM_INS_ROR:
            return shift(step, arm, Shift::Rotate);
        case ARM_INS_MUL:
            return multiply(with(Operation::Multiply), arm);
        case ARM_INS_MLA:
            return multiply(with(Operation::MultiplyAdd), arm);
        case ARM_INS_MLS:
            return multiply(with(Operation::MultiplySubtract), arm);
        case ARM_INS_SDIV:
            return multiply(with(Operation::DivideSigned), arm);
        case ARM_INS_UDIV:
            return multiply(with(Operation::DivideUnsigned), arm);
        case ARM_INS_SXTB:
            return extend(with(Operation::ExtendByte), arm);
        case ARM_INS_SXTH:
            return extend(with(Operation::ExtendHalf), arm);
        case ARM_INS_UXTB:
            return extend(with(Operation::ExtendByteUnsigned), arm);
        case ARM_INS_UXTH:
            return extend(with(Operation::ExtendHalfUnsigned), arm);
        case ARM_INS_SBFX:
            return bit_field(with(Operation::ExtractSigned), arm);
        case ARM_INS_UBFX:
            return bit_field(with(Operation::ExtractUnsigned), arm);
        case ARM_INS_BFI:
            return bit_field(with(Operation::InsertField), arm);
        case ARM_INS_BFC:
            return bit_field(with(Operation::ClearField), arm);
        case ARM_INS_CLZ:
            return unary(with(Operation::CountLeadingZeros), arm);
        case ARM_INS_REV:
            return unary(with(Operation::ReverseBytes), arm);
        case ARM_INS_MOVT: {
            auto built = unary(with(Operation::MoveTop), arm);
            if (built) built->left = built->target;
            return built;
        }
        case ARM_INS_ADR: {
            step.operation = Operation::Move;
            step.target = register_number(arm.operands[0].reg);
            step.immediate =
                ((decoded.instruction.address + 4) & ~Address{3}) + static_cast<std::uint32_t>(arm.operands[1].imm);
            return step;
        }
        default:
            return {};
    }
}

}  // namespace tinyformer
