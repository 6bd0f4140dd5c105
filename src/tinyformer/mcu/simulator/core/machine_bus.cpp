// SPDX-License-Identifier: Apache-2.0
// Peripheral registers of the simulated chip, and the report of a run.
#include <algorithm>
#include <map>
#include <sstream>

#include "machine.hpp"

namespace tinyformer {

Peripheral* Machine::device_at(Address address) const {
    const auto found = devices_by_page_.find(address >> kDevicePage);
    return found == devices_by_page_.end() ? nullptr : found->second;
}

std::uint32_t Machine::read_peripheral(Address address, unsigned) {
    const Address word = address & ~Address{3};
    std::uint32_t value = 0;
    ++bus_reads_;
    if (Peripheral* device = device_at(word)) {
        value = device->read(word - device->base(), now());
        if (io_.reason != StopReason::None) uc_emu_stop(engine_);
    } else {
        const auto found = stored_.find(word);
        value = status_registers_.read(word, found == stored_.end() ? 0 : found->second);
    }
    return value >> ((address & 3) * 8);
}

void Machine::write_peripheral(Address address, unsigned size, std::uint32_t value) {
    const Address word = address & ~Address{3};
    const unsigned shift = (address & 3) * 8;
    if (Peripheral* device = device_at(word)) {
        device->write(word - device->base(), value << shift, now());
        advance_devices();
        refresh_next_event();
        if (io_.reason != StopReason::None) uc_emu_stop(engine_);
        return;
    }
    const std::uint32_t mask = size >= 4 ? ~0u : ((1u << (8 * size)) - 1) << shift;
    std::uint32_t& stored = stored_[word];
    stored = (stored & ~mask) | ((value << shift) & mask);
    if (model_) model_->control_register(word, stored);
    if (!clocks_.has(word)) return;
    for (Peripheral* device : timed_) device->clock_changes(now());
    clocks_.write(word, stored);
    for (Peripheral* device : timed_) device->clock_changed(now());
    refresh_next_event();
}

std::uint32_t Machine::stack_high_water() const {
    std::uint32_t used = lowest_stack_ < initial_stack_ ? initial_stack_ - lowest_stack_ : 0;
    for (Address at = stack_low_; at + 4 <= stack_high_; at += 4) {
        std::uint32_t word = 0;
        memory_.read(at, 4, &word);
        if (word != kStackPaint) return std::max(used, stack_high_ - at);
    }
    return used;
}

namespace {

void write_totals(std::ostringstream& out, const Totals& totals) {
    out << "\"cycles\":" << totals.cycles << ",\"instructions\":" << totals.instructions << ",\"causes\":{";
    for (int index = 0; index < kCauseCount; ++index) {
        out << (index == 0 ? "" : ",") << '"' << kCauseNames[index]
            << "\":" << totals.causes[static_cast<std::size_t>(index)];
    }
    out << '}';
}

void write_cache(std::ostringstream& out, const char* name, const Cache::Statistics& statistics) {
    out << '"' << name << "\":{\"hits\":" << statistics.hits << ",\"misses\":" << statistics.misses
        << ",\"evictions\":" << statistics.evictions << "},";
}

}  // namespace

std::string Machine::report() const {
    std::ostringstream out;
    out << "{\"reason\":" << static_cast<int>(io_.reason) << ",\"exit_code\":" << io_.exit_code
        << ",\"starved\":" << (io_.starved ? "true" : "false")
        << ",\"unsent\":" << (io_.line.pending() ? "true" : "false")
        << ",\"idle_cycles\":" << (io_.reason == StopReason::InputExhausted ? idle_time_ : 0)
        << ",\"listening\":" << (io_.line.listening() ? "true" : "false") << ',';
    write_totals(out, totals());
    const TimingStatistics statistics = model_ ? model_->statistics() : TimingStatistics{};
    out << ',';
    write_cache(out, "instruction_cache", statistics.instruction_cache);
    write_cache(out, "data_cache", statistics.data_cache);
    out << "\"branches\":" << statistics.branches << ",\"mispredicted\":" << statistics.mispredicted
        << ",\"stack_high_water\":" << stack_high_water() << ",\"unknown_accesses\":" << unknown_accesses_
        << ",\"wrong_accesses\":" << wrong_accesses_ << ",\"checked_accesses\":" << checked_accesses_
        << ",\"fault\":{\"kind\":\"" << fault_.kind << "\",\"address\":" << fault_.address << ",\"pc\":" << fault_.pc
        << ",\"lr\":" << fault_.lr << "},\"functions\":[";
    std::map<int, Totals> functions;
    std::uint64_t float_instructions = 0;
    for (const auto& block : blocks_) {
        float_instructions += block->executions * block->float_count;
        Totals& totals = functions[block->function];
        totals.cycles += block->cycles;
        totals.instructions += block->executions * block->instruction_count;
        for (std::size_t index = 0; index < totals.causes.size(); ++index) totals.causes[index] += block->causes[index];
    }
    const char* separator = "";
    for (const auto& [function, totals] : functions) {
        out << separator << "{\"symbol\":" << function << ',';
        write_totals(out, totals);
        out << '}';
        separator = ",";
    }
    auto write_stretches = [&](const char* name, const std::vector<Stretch>& stretches) {
        out << "],\"" << name << "\":[";
        separator = "";
        for (const Stretch& stretch : stretches) {
            out << separator << "{\"identifier\":" << stretch.identifier << ',';
            write_totals(out, stretch.spent);
            out << '}';
            separator = ",";
        }
    };
    write_stretches("layers", layers_.finished());
    write_stretches("regions", regions_);
    out << "],\"symbols\":[";
    separator = "";
    for (const Symbol& symbol : symbols_) {
        out << separator << '"' << symbol.name << '"';
        separator = ",";
    }
    out << "],\"float_instructions\":" << float_instructions << '}';
    return out.str();
}

}  // namespace tinyformer
