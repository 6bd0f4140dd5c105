// SPDX-License-Identifier: Apache-2.0
// Basic blocks: found, decoded and handed to the timing model.
#include <algorithm>

#include "machine.hpp"

namespace tinyformer {

namespace {

constexpr int kUnicornRegisters[16] = {UC_ARM_REG_R0,  UC_ARM_REG_R1, UC_ARM_REG_R2,  UC_ARM_REG_R3,
                                       UC_ARM_REG_R4,  UC_ARM_REG_R5, UC_ARM_REG_R6,  UC_ARM_REG_R7,
                                       UC_ARM_REG_R8,  UC_ARM_REG_R9, UC_ARM_REG_R10, UC_ARM_REG_R11,
                                       UC_ARM_REG_R12, UC_ARM_REG_SP, UC_ARM_REG_LR,  UC_ARM_REG_PC};

}  // namespace

int Machine::function_at(Address address) const {
    auto after = std::upper_bound(symbols_.begin(), symbols_.end(), address,
                                  [](Address value, const Symbol& symbol) { return value < symbol.address; });
    while (after != symbols_.begin()) {
        --after;
        if (address < after->address + std::max<std::uint32_t>(after->size, 1))
            return static_cast<int>(after - symbols_.begin());
        if (after->size != 0) return -1;
    }
    return -1;
}

Block* Machine::find_block(Address address, std::uint32_t size) {
    const Address offset = address - memory_.flash_start();
    Block*& slot = offset < memory_.flash_bytes() ? flash_blocks_[offset >> 1] : other_blocks_[address];
    for (Block* block = slot; block != nullptr; block = block->other_length) {
        if (block->size == size) return block;
    }
    Block* block = make_block(address, size);
    block->other_length = slot;
    slot = block;
    return block;
}

Block* Machine::make_block(Address address, std::uint32_t size) {
    blocks_.push_back(std::make_unique<Block>());
    Block& block = *blocks_.back();
    block.address = address;
    block.size = size;
    std::vector<std::uint8_t> code(size);
    for (std::uint32_t index = 0; index < size; ++index) {
        const std::uint8_t* byte = memory_.host(address + index);
        code[index] = byte == nullptr ? 0 : *byte;
    }
    const auto decoded = decoder_.decode(address, code.data(), size);
    for (const auto& each : decoded) {
        block.instructions.push_back(each.instruction);
        block.access_count += each.instruction.accesses;
        block.float_count += each.instruction.has(kFloat) ? 1 : 0;
        // Pushing the same registers to the same place again changes nothing.
        const bool stores = each.instruction.has(kStore) && (each.raw == nullptr || each.raw->id != ARM_INS_PUSH);
        block.changes_state |= stores || each.instruction.has(kFloat | kFloatTransfer);
        block.writes_stack_pointer |= (each.instruction.writes & bit(kStackPointer)) != 0;
    }
    block.instruction_count = static_cast<std::uint32_t>(block.instructions.size());
    const Instruction& last = block.instructions.back();
    block.indirect_end = last.has(kIndirect);
    block.self_loop = decoded.size() == 1 && decoded[0].raw != nullptr && decoded[0].raw->id == ARM_INS_B &&
                      !last.has(kPredicated) &&
                      static_cast<Address>(decoded[0].raw->detail->arm.operands[0].imm) == address;
    block.function = function_at(address);
    if (block.function >= 0) {
        const Symbol& symbol = symbols_[static_cast<std::size_t>(block.function)];
        if (symbol.is_layer && symbol.address == address) block.layer = block.function;
    }
    if (model_) {
        block.prepared = model_->prepare(block);
        block.addresses = AddressProgram(decoded);
        const auto& segments = block.addresses.segments();
        for (std::size_t index = 1; index < segments.size(); ++index) {
            if (!hooked_.insert(segments[index].start).second) continue;
            hook_segment(segments[index].start);
            retranslate_ = true;
        }
    }
    return &block;
}

void Machine::evaluate(const AddressProgram::Segment& segment) {
    RegisterFile registers;
    int ids[17];
    void* values[17];
    int count = 0;
    std::uint32_t status = 0;
    for (RegisterSet left = segment.live_in; left != 0; left &= left - 1) {
        const int number = __builtin_ctzll(left);
        ids[count] = number == kFlags ? UC_ARM_REG_XPSR : kUnicornRegisters[number];
        values[count++] = number == kFlags ? &status : &registers.value[static_cast<std::size_t>(number)];
    }
    if (count != 0) uc_reg_read_batch(engine_, ids, values, count);
    registers.set_flags(status);
    unknown_accesses_ += AddressProgram::run(segment, &registers, memory_, &accesses_);
}

void Machine::enter_segment(Address address) {
    if (current_ == nullptr) return;
    const auto& segments = current_->addresses.segments();
    for (std::size_t index = 1; index < segments.size(); ++index) {
        if (segments[index].start == address) evaluate(segments[index]);
    }
}

void Machine::enter_block(Address address, std::uint32_t size) {
    if (current_ != nullptr) finish_block(address);
    previous_ = current_;
    current_ = nullptr;
    if (instructions_ >= limit_ && io_.reason == StopReason::None) {
        fault_ = {"instruction limit reached", address, address, get(UC_ARM_REG_LR)};
        io_.stop(StopReason::InstructionLimit, 1);
    }
    if (io_.reason != StopReason::None || (now() >= next_event_ && attend(address))) {
        uc_emu_stop(engine_);
        return;
    }
    Block* block = find_block(address, size);
    if (retranslate_) {
        uc_emu_stop(engine_);
        return;
    }
    if (block->self_loop) {
        sleep((get(UC_ARM_REG_PRIMASK) & 1) != 0 || (get(UC_ARM_REG_FAULTMASK) & 1) != 0);
        if (io_.reason != StopReason::None) {
            uc_emu_stop(engine_);
            return;
        }
    }
    current_ = block;
    ++block->executions;
    if (previous_ != nullptr && previous_->writes_stack_pointer)
        lowest_stack_ = std::min(lowest_stack_, get(UC_ARM_REG_SP));
    if (!model_) return;
    track_profile(*block);
    accesses_.clear();
    if (block->access_count != 0) evaluate(block->addresses.segments().front());
}

void Machine::finish_block(Address next) {
    instructions_ += current_->instruction_count;
    if (!model_) return;
    if (accesses_.size() < current_->access_count) accesses_.resize(current_->access_count);
    if (check_accesses_) {
        std::size_t position = 0;
        for (const Access& access : accesses_) {
            if (access.size == 0) continue;
            ++checked_accesses_;
            if (position >= reference_.size() || reference_[position].address != access.address ||
                reference_[position].write != access.write) {
                ++wrong_accesses_;
                break;
            }
            ++position;
        }
        reference_.clear();
    }
    model_->execute(*current_, accesses_, next);
}

void Machine::track_profile(const Block& block) {
    if (block.layer >= 0) {
        const Address return_address = get(UC_ARM_REG_LR) & ~Address{1};
        const bool call =
            previous_ == nullptr || previous_->function < 0 || function_at(return_address) == previous_->function;
        layers_.enter(block.layer, return_address, get(UC_ARM_REG_SP), call, totals());
    } else if (layers_.open() && previous_ != nullptr && previous_->indirect_end && active_.empty()) {
        layers_.after_return(block.address, get(UC_ARM_REG_SP), totals());
    }
}

Totals Machine::totals() const {
    Totals sum;
    sum.cycles = model_ ? model_->now() : 0;
    sum.instructions = instructions_;
    for (const auto& block : blocks_) {
        for (std::size_t index = 0; index < sum.causes.size(); ++index) sum.causes[index] += block->causes[index];
    }
    return sum;
}

void Machine::mark_region(bool begin, std::uint32_t number) {
    if (begin) {
        open_regions_.emplace_back(number, totals());
    } else if (!open_regions_.empty()) {
        const auto [identifier, start] = open_regions_.back();
        open_regions_.pop_back();
        regions_.push_back({static_cast<int>(identifier), difference(totals(), start)});
    }
}

}  // namespace tinyformer
