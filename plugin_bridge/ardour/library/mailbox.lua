-- What the hook does ten times a second: look for the answers to this session's requests, import
-- stems at their position, show how far the others are, and say what went wrong.

local library = ...
local function room (name) return assert (loadfile (library .. name .. ".lua")) (library) end
local wire, server, notes, progress = room ("wire"), room ("server"), room ("notes"), room ("progress")
local tracks, silence, marks, selection = room ("tracks"), room ("silence"), room ("marks"), room ("selection")

local mailbox = {}

local AGAIN = { 1, 3 } -- seconds after which a request without an answer is sent again
local PATIENCE = 5 -- seconds without an answer before a message says so
local START_PATIENCE = 90 -- seconds that the server may take to start
local LISTING = 50 -- steps between two looks for results of an earlier run
local SHOWING = 3 -- steps between two looks at how far jobs are
local DONE_SECONDS = 5 -- that a mark says a job is done

local waiting, steps = {}, 0 -- waiting: job id -> note of notes.request, with what became of it
local done = {} -- marks of jobs that are over: { position, words, until }
local removing -- the result whose tracks Ardour is asked to remove
local starting -- since when a server is being started, or nil
local lost = false -- whether it ended while it worked
local interrupted -- claims from before this Ardour was started, once looked for

local function rows_of (path, note)
	local found = {}
	for line in io.lines (path) do
		local name, position, file = line:match ("^([^\t]*)\t(%d+)\t(.+)$")
		if not name then error ("this line of the mailbox makes no sense: " .. line, 0) end
		if not (note.skip and name:match ("^.* %- (.*)$") == note.skip) then
			found[#found + 1] = { name = name, position = math.tointeger (position), file = file, frames = note.frames }
		end
	end
	return found
end

local function keep_result (note, rows, muted)
	local results, made = notes.results (), {}
	for index, row in ipairs (rows) do
		made[index] = { track = row.track:to_stateful ():id ():to_s (), region = row.id }
	end
	results[#results + 1] = {
		key = note.key, once = note.once, time = os.time (), made = made,
		source = note.source and note.source.track, muted = muted,
	}
	notes.keep_results (results)
end

local function bring_in (note, path)
	local rows, muted = rows_of (path, note), {}
	selection.kept (function ()
		tracks.import (note.label, rows, note.fades, function ()
			if note.source then muted = silence.mute (note.source, note.seamless) end
		end)
	end)
	keep_result (note, rows, muted)
	local names = {}
	for index, row in ipairs (rows) do names[index] = row.track:name () end
	local still = note.source and #muted == 0 and "; the original was changed and is not muted" or ""
	local words = string.format ("%s: done, %d new track%s%s", note.label, #rows, #rows == 1 and "" or "s", still)
	done[#done + 1] = { position = note.position or rows[1].position, words = words, until_time = os.time () + DONE_SECONDS }
	return table.concat (names, "\n") .. "\n"
end

-- Import a claimed job and answer for it.
local function import (id, note)
	local claim = wire.inbox .. id .. ".claimed"
	local ok, answer = pcall (bring_in, note, claim)
	wire.write (wire.inbox .. id .. (ok and ".imported" or ".error"), ok and answer or tostring (answer) .. "\n")
	os.remove (claim)
	notes.forget (id)
	if not ok then error (note.label .. ": the stems could not be imported.\n" .. tostring (answer), 0) end
end

-- Claim a job's stems, unless the musician is in the middle of something.
local function claimed (id)
	if Session:actively_recording () or Session:collected_undo_commands () then return false end
	return os.rename (wire.inbox .. id .. ".tsv", wire.inbox .. id .. ".claimed")
end

-- Say why the job has no stems, if the server did; one that was cancelled needs no words.
local function failed (id, note)
	local path = wire.inbox .. id .. ".failed"
	local text = wire.read (path)
	if not text then return false end
	os.remove (path)
	notes.forget (id)
	waiting[id] = nil
	local track, reason = text:match ("^([^\t]*)\t[^\t]*\t([^\n]*)")
	if not (reason or text):find ("^cancel") then
		error ((note.label or track or id) .. ":\n" .. (reason or text), 0)
	end
	return true
end

local function send (note)
	note.sent, note.time, note.sendings = true, os.time (), 0
	notes.keep (note)
	wire.send (note.address, note.types, note.arguments)
end

-- Send again, or complain, while the server has not taken the request.
local function remind (note)
	note.accepted = note.accepted or progress.of (note.id) ~= nil
	if note.accepted or note.unanswered or not note.sent then return end
	local age, sendings = os.time () - note.time, note.sendings or 0
	if sendings < #AGAIN and age > AGAIN[sendings + 1] then
		note.sendings = sendings + 1
		wire.send (note.address, note.types, note.arguments)
	elseif age > PATIENCE then
		note.unanswered = true
		notes.keep (note)
		error (note.label .. ": bandmate's server does not answer. " .. server.by_hand (), 0)
	end
end

local function each_waiting (wanted)
	for _, note in pairs (waiting) do
		if note.address and not note.unanswered and wanted (note) then return true end
	end
	return false
end

local function give_up (problem)
	starting = nil
	for _, note in pairs (waiting) do
		if note.address and not note.sent then
			note.unanswered = true
			notes.keep (note)
		end
	end
	error (problem, 0)
end

-- Have the server started for requests that wait for it, and send them when it runs.
local function start_for_requests ()
	local unsent = each_waiting (function (note) return not note.sent end)
	if unsent and not starting then
		starting = os.time ()
		server.start ()
	end
	if not starting then return end
	local ok, ready = pcall (server.has_started)
	if not ok then give_up (ready) end
	if ready then
		starting = nil
		for _, note in pairs (waiting) do
			if note.address and not note.sent and not note.unanswered then send (note) end
		end
	elseif os.time () - starting > START_PATIENCE then
		give_up ("bandmate's server does not start. " .. server.by_hand ())
	end
end

-- Notice a server that ended at its work, and start it again; it goes on with what it had.
local function watch ()
	local busy = each_waiting (function (note) return note.accepted end)
	if not busy or starting then return end
	if server.is_alive () then
		lost = false
	elseif not lost then
		lost = true
		if server.start () then
			starting = os.time ()
		else
			error ("bandmate's server has ended while it worked. It goes on once it runs again. " .. server.by_hand (), 0)
		end
	end
end

-- What the marks say now.
local function show ()
	local wanted, kept = {}, {}
	for _, note in pairs (waiting) do
		if note.position and not note.unanswered then
			local words = starting and "starting the server" or progress.words (progress.of (note.id))
			if lost and not starting then words = "the server has ended" end
			wanted[#wanted + 1] = { position = note.position, words = note.label .. ": " .. words }
		end
	end
	for _, mark in ipairs (done) do
		if os.time () <= mark.until_time then
			kept[#kept + 1] = mark
			wanted[#wanted + 1] = mark
		end
	end
	done = kept
	table.sort (wanted, function (a, b) return a.words < b.words end)
	marks.show (wanted)
end

-- Jobs of an earlier run of this session. Mail for others is not ours to take.
local function list ()
	for _, name in ipairs (wire.list (wire.inbox)) do
		local id, kind = name:match ("^(.*)%.(%l+)$")
		if id and id:find (wire.tag () .. "-", 1, true) == 1 and not waiting[id] then
			if kind == "tsv" or kind == "failed" then
				waiting[id] = notes.of (id) or { id = id, label = id, accepted = true }
			elseif kind == "note" and not interrupted then
				waiting[id] = notes.of (id)
			elseif kind == "claimed" and not interrupted then
				os.rename (wire.inbox .. name, wire.inbox .. id .. ".error")
				notes.forget (id)
				wire.say ("Ardour was closed while it imported stems. They are still in\n" ..
					wire.workdir .. "/jobs/" .. id .. "/stems")
			end
		end
	end
	interrupted = true
end

-- When the tracks of a result are gone, what it took the place of sounds again.
local function finish_removing ()
	local text = wire.read (wire.inbox .. wire.tag () .. ".removing")
	if text then
		os.remove (wire.inbox .. wire.tag () .. ".removing")
		removing = wire.value (text)
	end
	if not removing then return end
	for _, made in ipairs (removing.made) do
		local track = silence.track (made.track)
		if track and not track:playlist ():region_by_id (PBD.ID (made.region)):isnil () then return end
	end
	local left = {}
	for _, result in ipairs (notes.results ()) do
		if result.made[1].region ~= removing.made[1].region then left[#left + 1] = result end
	end
	notes.keep_results (left)
	local still, sounding = notes.muted (), {} -- by another result
	for _, id in ipairs (removing.muted) do
		if not still[id] then sounding[#sounding + 1] = id end
	end
	if #sounding > 0 then silence.lift (removing.source, sounding) end
	removing = nil
end

local function step ()
	for _, note in ipairs (notes.new ()) do waiting[note.id] = note end
	if steps % LISTING == 0 then list () end
	steps = steps + 1
	finish_removing ()
	start_for_requests ()
	watch ()
	for id, note in pairs (waiting) do
		if claimed (id) then
			waiting[id] = nil
			import (id, note)
			break -- the table has changed
		elseif failed (id, note) then
			break
		end
		remind (note)
	end
	if steps % SHOWING == 0 then show () end
end

-- Do what there is to do now. Errors are shown; the next call goes on after them.
function mailbox.step ()
	wire.guarded (step)
end

return mailbox
