// SPDX-License-Identifier: Apache-2.0
#include "cortex_m7.hpp"

#include <algorithm>

namespace tinyformer {

namespace {

constexpr unsigned kIssueWidth = 2;
constexpr unsigned kClosed = kIssueWidth;  // no further instruction joins the present cycle
// Units of which there is one: two instructions that need the same one do not share a cycle.
constexpr std::uint32_t kSingleUnits = kShifter | kMultiply | kBranch | kFloat | kStore;

unsigned bank_of(Address address) { return (address >> 2) & 1; }

std::uint64_t& count(CauseCounts* causes, Cause cause) { return (*causes)[static_cast<std::size_t>(cause)]; }

}  // namespace

CortexM7Constants::CortexM7Constants(const Settings& settings) {
    auto cycles = [&](const char* name) { return static_cast<unsigned>(settings.get(std::string("timing.") + name)); };
    fetch_queue = cycles("fetch_queue_cycles");
    branch_target_entries = cycles("branch_target_entries");
    mispredict = cycles("mispredict");
    load_to_use = cycles("load_to_use");
    narrow_load_to_use = cycles("narrow_load_to_use");
    multiply = cycles("multiply_latency");
    saturate = cycles("saturate_latency");
    floating = cycles("float_latency");
    float_accumulate = cycles("float_accumulate_latency");
    float_fused = cycles("float_fused_latency");
    float_accumulate_forward = cycles("float_accumulate_forward");
    float_accumulate_shadow = cycles("float_accumulate_shadow");
    float_divide = cycles("float_divide_latency");
    float_root = cycles("float_root_latency");
    double_multiply = cycles("double_multiply");
    double_accumulate = cycles("double_accumulate");
    double_divide = cycles("double_divide");
    divide_extra = cycles("divide_extra");
    store_buffer_entries = cycles("store_buffer_entries");
    narrow_store_same_bank = cycles("narrow_store_same_bank");
    narrow_store_other_bank = cycles("narrow_store_other_bank");
    unaligned = cycles("unaligned_access");
    instruction_miss_flash = cycles("instruction_miss_flash");
    instruction_miss_sram = cycles("instruction_miss_sram");
    data_miss_flash = cycles("data_miss_flash");
    data_miss_sram = cycles("data_miss_sram");
    data_miss_overlap = cycles("data_miss_overlap");
    data_miss_window = cycles("data_miss_window");
    store_miss = cycles("store_miss");
    dirty_eviction = cycles("dirty_eviction");
    uncached_flash_fetch = cycles("uncached_flash_fetch");
    uncached_flash_load = cycles("uncached_flash_load");
    uncached_sram_access = cycles("uncached_sram_access");
}

void FetchUnit::fetch(Address address, Address chunk) {
    Cycle time = std::max(time_ + 1, earliest_);
    earliest_ = 0;
    missed_ = false;
    if (chunk_ == kNone || (address >> kLineShift) != (chunk_ >> (kLineShift - 3))) {
        const MemoryKind kind = memory_.kind(address);
        if (cache_enabled && (kind == MemoryKind::Flash || kind == MemoryKind::Sram)) {
            if (cache.access(address >> kLineShift, false) != Cache::Outcome::Hit) {
                time +=
                    kind == MemoryKind::Flash ? constants_.instruction_miss_flash : constants_.instruction_miss_sram;
                missed_ = true;
            }
        } else if (!cache_enabled && kind == MemoryKind::Flash) {
            time += constants_.uncached_flash_fetch;
            missed_ = true;
        }
    }
    time_ = time;
    chunk_ = chunk;
}

void StoreBuffer::configure(const CortexM7Constants& constants) {
    drained_.assign(constants.store_buffer_entries, 0);
    same_bank_ = constants.narrow_store_same_bank;
    other_bank_ = constants.narrow_store_other_bank;
}

Cycle StoreBuffer::wait(Cycle now, const Access& store) {
    Cycle cost = 1;
    if (store.size < 4) {
        const unsigned bank = bank_of(store.address);
        cost = bank == last_bank_ ? same_bank_ : other_bank_;
        last_bank_ = bank;
    }
    last_drain_ = std::max(last_drain_, now) + cost;
    const Cycle free = drained_[next_];
    drained_[next_] = last_drain_;
    next_ = (next_ + 1) % drained_.size();
    return free > now ? free - now : 0;
}

// An instruction prepared for issue. Operands live in arrays of the block.
struct CortexM7::Issue {
    struct Operand {
        Register reg;
        std::int8_t early;  // cycles before issue at which the value is needed; negative: after it
    };
    struct Write {
        Register reg;
        std::uint8_t latency;
    };
    Address address;
    std::uint32_t traits;
    std::uint8_t accesses;
    std::uint8_t extra_cycles;               // of LDM and STM beyond the first
    std::uint8_t hold_cycles;                // of divisions and double precision: nothing issues meanwhile
    bool crosses_chunk;                      // its second half-word lies in the next eight bytes
    std::uint16_t operands_end, writes_end;  // in the arrays of the block; they begin where the predecessor's end
    RegisterSet reads, written, addresses;
};

struct CortexM7::Prepared : PreparedBlock {
    std::vector<Issue> issues;
    std::vector<Issue::Operand> operands;
    std::vector<Issue::Write> writes;
};

CortexM7::CortexM7(const Settings& settings, const MemoryMap& memory)
    : constants_(settings), memory_(memory), fetch_(constants_, memory), line_fills_(constants_) {
    const auto instruction = settings.list("instruction_cache"), data = settings.list("data_cache");
    fetch_.cache.configure(static_cast<unsigned>(instruction.at(0)), static_cast<unsigned>(instruction.at(1)));
    data_cache_.configure(static_cast<unsigned>(data.at(0)), static_cast<unsigned>(data.at(1)));
    store_buffer_.configure(constants_);
    predictor_.configure(constants_.branch_target_entries);
}

namespace {

// The part of a floating-point instruction that depends on what it works with.
struct FloatTimes {
    unsigned value = 1, accumulator = 1, store_data = 1;  // when its result is ready for each role
};

bool is_float(Register number) { return number >= kFirstFloat && number < kRegisterCount; }

// Cycles after the issue of `instruction` at which a floating-point register that it writes is ready.
FloatTimes float_times(const Instruction& instruction, const CortexM7Constants& constants) {
    const unsigned forward = constants.float_accumulate_forward;
    if (instruction.has(kFloatTransfer)) return {constants.load_to_use, forward, constants.load_to_use};
    if (instruction.has(kFloatAccumulate)) {
        if (instruction.has(kFused)) return {constants.float_fused, forward, forward};
        return {constants.float_accumulate, forward + 1, forward + 1};
    }
    if (instruction.has(kFloatDivide)) {
        const unsigned latency = instruction.has(kDoublePrecision)           ? constants.double_divide
                                 : instruction.latency == Latency::FloatRoot ? constants.float_root
                                                                             : constants.float_divide;
        return {latency, latency, latency};
    }
    return {constants.floating, forward, 1};
}

}  // namespace

std::unique_ptr<PreparedBlock> CortexM7::prepare(const Block& block) const {
    auto prepared = std::make_unique<Prepared>();
    for (const Instruction& instruction : block.instructions) prepare_issue(instruction, prepared.get());
    return prepared;
}

void CortexM7::prepare_issue(const Instruction& instruction, Prepared* prepared) const {
    Issue issue{};
    issue.address = instruction.address;
    issue.traits = instruction.traits;
    if (instruction.has(kFloatTransfer) && instruction.has(kDoubleWord)) issue.traits |= kAlone;
    issue.accesses = instruction.accesses;
    // A cycle for two words; LDRD and STRD take one.
    if (instruction.has(kMultiple) && instruction.words > 2) {
        issue.extra_cycles = static_cast<std::uint8_t>((instruction.words + 1) / 2 - 1);
    }
    issue.hold_cycles = static_cast<std::uint8_t>(hold_cycles(instruction));
    issue.crosses_chunk = instruction.size == 4 && (instruction.address & 7) == 6;
    issue.reads = instruction.reads;
    issue.addresses = instruction.address_registers;
    for (const Result& result : instruction.results) {
        if (result.role != ResultRole::BaseUpdate) issue.written |= bit(result.reg);
    }
    prepare_operands(instruction, prepared);
    prepare_writes(instruction, issue.extra_cycles, prepared);
    issue.operands_end = static_cast<std::uint16_t>(prepared->operands.size());
    issue.writes_end = static_cast<std::uint16_t>(prepared->writes.size());
    prepared->issues.push_back(issue);
}

// Cycles after its own in which an instruction lets no other issue.
unsigned CortexM7::hold_cycles(const Instruction& instruction) const {
    if (instruction.has(kDivide)) return constants_.divide_extra;
    if (instruction.has(kDoublePrecision)) {
        if (instruction.has(kFloatDivide)) return constants_.double_divide - 1;
        if (instruction.has(kFloatAccumulate)) return constants_.double_accumulate - 1;
        if (instruction.has(kFloatMultiply)) return constants_.double_multiply - 1;
        return 0;
    }
    if (!instruction.has(kFloatDivide)) return 0;
    return (instruction.latency == Latency::FloatRoot ? constants_.float_root : constants_.float_divide) - 1;
}

void CortexM7::prepare_operands(const Instruction& instruction, Prepared* prepared) const {
    const auto early = [](SourceRole role) -> std::int8_t {
        switch (role) {
            case SourceRole::Address:
            case SourceRole::Shifted:
                return 1;
            case SourceRole::StoreData:
            case SourceRole::Accumulator:
                return -1;
            case SourceRole::Plain:
                return 0;
        }
        return 0;
    };
    for (const Source& source : instruction.sources) {
        if (is_float(source.reg) && source.role == SourceRole::Accumulator) {
            const auto entry = static_cast<Register>(kAsAccumulator + source.reg - kFirstFloat);
            // The intermediate rounding of VMLA leaves its accumulator a cycle more than VFMA's.
            prepared->operands.push_back({entry, static_cast<std::int8_t>(instruction.has(kFused) ? 0 : -1)});
        } else if (is_float(source.reg) && source.role == SourceRole::StoreData) {
            prepared->operands.push_back({static_cast<Register>(kAsStoreData + source.reg - kFirstFloat), 0});
        } else {
            prepared->operands.push_back({source.reg, early(source.role)});
        }
    }
    // What may not issue in the shadow of a multiply-accumulate, not even in the first slot.
    const bool addition = instruction.has(kFloat) && !instruction.has(kFloatAccumulate | kFloatMove | kFloatDivide) &&
                          !instruction.has(kFloatMultiply);
    const bool wide_transfer = instruction.has(kFloatTransfer) && instruction.has(kMultiple | kDoubleWord);
    if (addition || wide_transfer) prepared->operands.push_back({kAfterAccumulate, 0});
}

void CortexM7::prepare_writes(const Instruction& instruction, unsigned extra_cycles, Prepared* prepared) const {
    const unsigned latency = result_latency(instruction);
    const auto write = [&](Register number, unsigned cycles) {
        prepared->writes.push_back({number, static_cast<std::uint8_t>(cycles + extra_cycles)});
    };
    for (const Result& result : instruction.results) {
        if (result.role == ResultRole::BaseUpdate) {
            write(result.reg, 0);
        } else if (result.role == ResultRole::Flags) {
            write(result.reg, 1);
        } else if (is_float(result.reg)) {
            const FloatTimes times = float_times(instruction, constants_);
            const auto number = static_cast<Register>(result.reg - kFirstFloat);
            write(result.reg, times.value);
            write(static_cast<Register>(kAsAccumulator + number), times.accumulator);
            write(static_cast<Register>(kAsStoreData + number), times.store_data);
        } else {
            write(result.reg, latency);
        }
    }
    if (instruction.has(kFloatAccumulate)) write(kAfterAccumulate, constants_.float_accumulate_shadow + 1);
}

unsigned CortexM7::result_latency(const Instruction& instruction) const {
    switch (instruction.latency) {
        case Latency::WordLoad:
            return constants_.load_to_use;
        case Latency::NarrowLoad:
            return constants_.narrow_load_to_use;
        case Latency::Multiply:
            return constants_.multiply;
        case Latency::Saturate:
            return constants_.saturate;
        case Latency::Float:  // to a core register or to the flags of the FPU
            return instruction.has(kFloatMove) ? 1 : constants_.floating;
        case Latency::FloatAccumulate:
        case Latency::FloatDivide:
        case Latency::FloatRoot:
        case Latency::Simple:
            return 1;
    }
    return 1;
}

// Whether an instruction whose operands are ready may join the one already issued in this cycle.
bool CortexM7::may_pair(const Issue& issue, const Access* accesses) const {
    const std::uint32_t traits = issue.traits, both = traits & group_;
    if (slots_used_ >= kIssueWidth) return false;
    if ((traits & (kAlone | kFirstSlot)) != 0 || (group_ & (kAlone | kBranch)) != 0) return false;
    if ((both & kSingleUnits) != 0) return false;
    if ((traits & (kFloatTransfer | kFloatMove)) != 0) {
        if ((group_ & kFloatAccumulate) != 0 || ready_[kAfterAccumulate] > now_) return false;
    }
    if ((traits & kFloatAccumulate) != 0 && (group_ & kFloatTransfer) != 0) return false;
    // Two loads go to different 32-bit banks.
    if ((both & kLoad) != 0 && (accesses->size == 0 || bank_of(accesses->address) == group_bank_)) return false;
    const bool multiply_and_store =
        ((traits & kMultiply) != 0 && (group_ & kStore) != 0) || ((traits & kStore) != 0 && (group_ & kMultiply) != 0);
    return !multiply_and_store;
}

// Cycles that the pipeline stands still for the accesses of an instruction issued now.
Cycle CortexM7::memory_wait(const Issue& issue, const Access* accesses, CauseCounts* causes) {
    Cycle wait = 0;
    if ((issue.traits & kStore) != 0) {
        for (unsigned index = 0; index < issue.accesses; ++index) {
            if (accesses[index].size != 0) wait = std::max(wait, store_buffer_.wait(now_, accesses[index]));
        }
        count(causes, Cause::Store) += wait;
    }
    std::uint32_t last_line = ~0u;
    for (unsigned index = 0; index < issue.accesses; ++index) {
        const Access& access = accesses[index];
        if (access.size == 0) continue;
        if (access.size <= 4 && (access.address & 3) + access.size > 4) {
            wait += constants_.unaligned;
            count(causes, Cause::Unaligned) += constants_.unaligned;
        }
        const MemoryKind kind = memory_.kind(access.address);
        if (kind != MemoryKind::Flash && kind != MemoryKind::Sram) continue;
        const std::uint32_t line = access.address >> kLineShift;
        if (line == last_line) continue;
        last_line = line;
        const Cause miss_cause = kind == MemoryKind::Flash ? Cause::FlashMiss : Cause::SramMiss;
        if (!data_cache_enabled_) {
            const Cycle cost =
                kind == MemoryKind::Flash ? constants_.uncached_flash_load : constants_.uncached_sram_access;
            wait += cost;
            count(causes, miss_cause) += cost;
            continue;
        }
        const Cache::Outcome outcome = data_cache_.access(line, access.write);
        if (outcome == Cache::Outcome::Hit) continue;
        const Cycle alone = kind == MemoryKind::Flash ? constants_.data_miss_flash : constants_.data_miss_sram;
        const Cycle miss = access.write ? constants_.store_miss : line_fills_.wait(now_ + wait, alone, issue.addresses);
        if (!access.write) line_fills_.loaded(issue.written);
        wait += miss;
        count(causes, access.write ? Cause::Store : miss_cause) += miss;
        if (outcome == Cache::Outcome::MissWithEviction) {
            wait += constants_.dirty_eviction;
            count(causes, Cause::Store) += constants_.dirty_eviction;
        }
    }
    return wait;
}

void CortexM7::execute(Block& block, const std::vector<Access>& accesses, Address next) {
    const auto& prepared = static_cast<const Prepared&>(*block.prepared);
    CauseCounts* causes = &block.causes;
    const Cycle begin = now_;
    const Access* access = accesses.data();
    const Issue::Operand* operand = prepared.operands.data();
    const Issue::Write* write = prepared.writes.data();
    for (const Issue& issue : prepared.issues) {
        Cycle fetched = fetch_.deliver(issue.address);
        if (issue.crosses_chunk) fetched = fetch_.deliver(issue.address + 2);
        const Cycle code = std::max(now_, fetched);
        Cycle time = code;
        for (const auto* end = prepared.operands.data() + issue.operands_end; operand != end; ++operand) {
            const auto needed = static_cast<std::int64_t>(ready_[operand->reg]) + operand->early;
            if (needed > static_cast<std::int64_t>(time)) time = static_cast<Cycle>(needed);
        }
        if (time == now_ && slots_used_ > 0 && !may_pair(issue, access)) {
            time = now_ + 1;
            count(causes, slots_used_ < kIssueWidth ? Cause::Structural : Cause::Issue) += 1;
        } else if (time > now_) {
            const Cycle issued = slots_used_ >= kIssueWidth ? 1 : 0;
            Cycle waited = time - now_ - issued;
            count(causes, Cause::Issue) += issued;
            const Cycle for_code = std::min(code - now_, waited);
            count(causes, fetch_.missed() ? Cause::InstructionMiss : Cause::Fetch) += for_code;
            count(causes, Cause::Dependency) += waited - for_code;
        }
        if (time > now_ || slots_used_ == 0) {
            now_ = time;
            slots_used_ = 0;
            group_ = 0;
        }
        ++slots_used_;
        group_ |= issue.traits;

        Cycle wait = 0;
        if (line_fills_.open(now_)) line_fills_.follow(issue.reads, issue.written);
        if (issue.accesses != 0) {
            if ((issue.traits & kLoad) != 0 && access->size != 0) group_bank_ = bank_of(access->address);
            wait = memory_wait(issue, access, causes);
            access += issue.accesses;
        }
        if (issue.hold_cycles != 0) {
            wait += issue.hold_cycles;
            count(causes, Cause::MultiCycle) += issue.hold_cycles;
        }
        const Cycle available = now_ + ((issue.traits & kLoad) != 0 ? wait : 0);
        for (const auto* end = prepared.writes.data() + issue.writes_end; write != end; ++write) {
            ready_[write->reg] = available + write->latency;
        }
        if ((wait | issue.extra_cycles) != 0 || (issue.traits & kAlone) != 0) {
            now_ += wait + issue.extra_cycles;
            count(causes, Cause::MultiCycle) += issue.extra_cycles;
            slots_used_ = kClosed;
            if (issue.extra_cycles != 0) group_ |= kAlone;
        }
        fetch_.follow(now_);
    }
    resolve_branch(block, next, causes);
    block.cycles += now_ - begin;
}

void CortexM7::resolve_branch(const Block& block, Address next, CauseCounts* causes) {
    const Instruction& last = block.instructions.back();
    const bool taken = next != last.end();
    if (last.has(kBranch)) {
        ++branches_;
        if (!predictor_.resolve(last.address, last.traits, last.end(), next)) {
            ++mispredicted_;
            now_ += constants_.mispredict;
            count(causes, Cause::Branch) += constants_.mispredict;
            slots_used_ = kClosed;
            fetch_.restart(now_);
            return;
        }
    }
    if (taken) {
        if (last.has(kBranch)) {
            slots_used_ = kClosed;
            fetch_.redirect(now_);
        } else {
            fetch_.redirect(0);
        }
    }
}

TimingStatistics CortexM7::statistics() const {
    return {fetch_.cache.statistics, data_cache_.statistics, branches_, mispredicted_};
}

void CortexM7::control_register(Address address, std::uint32_t value) {
    constexpr Address kConfigurationControl = 0xE000ED14;
    if (address != kConfigurationControl) return;
    fetch_.cache_enabled = ((value >> 17) & 1) != 0;
    data_cache_enabled_ = ((value >> 16) & 1) != 0;
}

std::unique_ptr<TimingModel> make_cortex_m7(const Settings& settings, const MemoryMap& memory) {
    return std::make_unique<CortexM7>(settings, memory);
}

}  // namespace tinyformer
