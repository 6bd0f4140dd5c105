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
    float_divide = cycles("float_divide_latency");
    divide_extra = cycles("divide_extra");
    store_buffer_entries = cycles("store_buffer_entries");
    narrow_store_same_bank = cycles("narrow_store_same_bank");
    narrow_store_other_bank = cycles("narrow_store_other_bank");
    unaligned = cycles("unaligned_access");
    instruction_miss_flash = cycles("instruction_miss_flash");
    instruction_miss_sram = cycles("instruction_miss_sram");
    data_miss_flash = cycles("data_miss_flash");
    data_miss_sram = cycles("data_miss_sram");
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
    bool crosses_chunk;                      // its second half-word lies in the next eight bytes
    std::uint16_t operands_end, writes_end;  // in the arrays of the block; they begin where the predecessor's end
};

struct CortexM7::Prepared : PreparedBlock {
    std::vector<Issue> issues;
    std::vector<Issue::Operand> operands;
    std::vector<Issue::Write> writes;
};

CortexM7::CortexM7(const Settings& settings, const MemoryMap& memory)
    : constants_(settings), memory_(memory), fetch_(constants_, memory) {
    const auto instruction = settings.list("instruction_cache"), data = settings.list("data_cache");
    fetch_.cache.configure(static_cast<unsigned>(instruction.at(0)), static_cast<unsigned>(instruction.at(1)));
    data_cache_.configure(static_cast<unsigned>(data.at(0)), static_cast<unsigned>(data.at(1)));
    store_buffer_.configure(constants_);
    predictor_.configure(constants_.branch_target_entries);
}

std::unique_ptr<PreparedBlock> CortexM7::prepare(const Block& block) const {
    auto prepared = std::make_unique<Prepared>();
    const auto latency_of = [&](Latency latency) -> unsigned {
        switch (latency) {
            case Latency::WordLoad:
                return constants_.load_to_use;
            case Latency::NarrowLoad:
                return constants_.narrow_load_to_use;
            case Latency::Multiply:
                return constants_.multiply;
            case Latency::Saturate:
                return constants_.saturate;
            case Latency::Float:
                return constants_.floating;
            case Latency::FloatAccumulate:
                return constants_.float_accumulate;
            case Latency::FloatDivide:
                return constants_.float_divide;
            case Latency::Simple:
                return 1;
        }
        return 1;
    };
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
    for (const Instruction& instruction : block.instructions) {
        Issue issue{};
        issue.address = instruction.address;
        issue.traits = instruction.traits;
        issue.accesses = instruction.accesses;
        // A cycle for two registers; LDRD and STRD take one.
        if (instruction.has(kMultiple) && instruction.accesses > 2) {
            issue.extra_cycles = static_cast<std::uint8_t>((instruction.accesses + 1) / 2 - 1);
        }
        issue.crosses_chunk = instruction.size == 4 && (instruction.address & 7) == 6;
        for (const Source& source : instruction.sources) prepared->operands.push_back({source.reg, early(source.role)});
        for (const Result& result : instruction.results) {
            unsigned latency = latency_of(instruction.latency);
            if (result.role == ResultRole::BaseUpdate) latency = 0;
            if (result.role == ResultRole::Flags) latency = 1;
            prepared->writes.push_back({result.reg, static_cast<std::uint8_t>(latency + issue.extra_cycles)});
        }
        issue.operands_end = static_cast<std::uint16_t>(prepared->operands.size());
        issue.writes_end = static_cast<std::uint16_t>(prepared->writes.size());
        prepared->issues.push_back(issue);
    }
    return prepared;
}

// Whether an instruction whose operands are ready may join the one already issued in this cycle.
bool CortexM7::may_pair(const Issue& issue, const Access* accesses) const {
    const std::uint32_t traits = issue.traits, both = traits & group_;
    if (slots_used_ >= kIssueWidth) return false;
    if ((traits & (kAlone | kFirstSlot)) != 0 || (group_ & (kAlone | kBranch)) != 0) return false;
    if ((both & kSingleUnits) != 0) return false;
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
        const Cycle miss = access.write                ? constants_.store_miss
                           : kind == MemoryKind::Flash ? constants_.data_miss_flash
                                                       : constants_.data_miss_sram;
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
        if (issue.accesses != 0) {
            if ((issue.traits & kLoad) != 0 && access->size != 0) group_bank_ = bank_of(access->address);
            wait = memory_wait(issue, access, causes);
            access += issue.accesses;
        }
        if ((issue.traits & kDivide) != 0) {
            wait += constants_.divide_extra;
            count(causes, Cause::MultiCycle) += constants_.divide_extra;
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
