-- Stems on new tracks: at their position, under their name, beside what they belong to.
--
-- Ardour's own import runs the main loop until it is done, with one state for all imports: a second
-- one, the musician's or ours, breaks the first. So a stem's file is linked into the session's own
-- folder and embedded from there, which is one step that nothing can come between.

local tracks = {}

local END = 100000 -- a place in the editor's order beyond that of any track
local ROOT = ("../"):rep (64) -- leads to / from any folder
local SOFT = 0.01 -- seconds of fade at the ends of new parts

local function id_of (thing)
	return thing:to_stateful ():id ():to_s ()
end

local function quoted (text)
	return "'" .. text:gsub ("'", "'\\''") .. "'"
end

local function exists (path)
	local file = io.open (path, "rb")
	if file then file:close () end
	return file ~= nil
end

-- Where this session keeps its audio files.
local function sound_folder ()
	local folder = Session:path () .. "/interchange/" .. Session:path ():match ("[^/]*$") .. "/audiofiles/"
	if os.rename (folder, folder) then return folder end
	local pipe = io.popen ("ls -d " .. quoted (Session:path ()) .. "/interchange/*/audiofiles/ 2>/dev/null")
	folder = pipe:read ("l")
	pipe:close ()
	return folder or error ("This session has no folder for audio files.", 0)
end

local function free (name, is_taken)
	if not is_taken (name) then return name end
	local number = 2
	while is_taken (name .. " " .. number) do number = number + 1 end
	return name .. " " .. number
end

local function is_track (name)
	return not Session:route_by_name (name):isnil ()
end

-- Bring the files of the rows into the session's folder, named after their tracks, by links where
-- that is possible. Each row gets its `inside`.
local function bring (rows)
	local folder, commands = sound_folder (), {}
	for _, row in ipairs (rows) do
		if not exists (row.file) then error ("There is no file " .. row.file, 0) end
		local taken = {}
		for _, other in ipairs (rows) do taken[other.inside or ""] = true end
		local name = free (row.name:gsub ("[/\\:%c]", "-"), function (try)
			local path = folder .. try .. ".wav"
			return taken[path] or exists (path)
		end)
		row.inside = folder .. name .. ".wav"
		commands[#commands + 1] = string.format ("{ ln %s %s || cp %s %s; } 2>/dev/null",
			quoted (row.file), quoted (row.inside), quoted (row.file), quoted (row.inside))
	end
	if not os.execute (table.concat (commands, " && ")) then
		error ("The stems could not be copied to " .. folder, 0)
	end
end

-- Make a source of a file in the session's folder. Ardour keeps a path that begins at / for ever,
-- wherever the session goes; one that does not is looked for in the session's folder by its name.
local function embed (path)
	local files = C.StringVector ()
	files:push_back (ROOT .. path:gsub ("^%a:", ""):sub (2))
	Session:begin_reversible_command ("bandmate") -- or each file would be a step of the undo history
	Editor:do_embed (files, Editing.ImportDistinctFiles, Editing.ImportAsRegion, Temporal.timepos_t (0),
		ARDOUR.PluginInfo (), ARDOUR.Track ())
	Session:abort_reversible_command ()
end

local function is_whole (region, file)
	if not region:whole_file () or region:to_audioregion ():isnil () then return false end
	local source = region:to_audioregion ():source (0):to_filesource ()
	return not source:isnil () and source:path ():match ("[^/]*$") == file
end

-- Give each row the `region` of its whole file, found by the file it is of.
local function find_regions (rows)
	for _, row in ipairs (rows) do
		local file = row.inside:match ("[^/]*$")
		for _, region in ARDOUR.RegionFactory.regions ():iter () do
			if is_whole (region, file) then row.region = region:to_audioregion () end
		end
		if not row.region then error ("Ardour cannot read " .. row.file, 0) end
		local frames = row.region:length ():samples ()
		if row.frames and row.frames ~= frames then
			error (string.format ("%s has %d samples at this session's rate, not %d", row.file, frames, row.frames), 0)
		end
	end
end

-- An empty track for each row, as Ardour's import would make it.
local function make_tracks (rows)
	local config, master = ARDOUR.config (), Session:master_out ()
	for _, row in ipairs (rows) do
		local outputs = master:isnil () and 2 or master:n_inputs ():n_audio ()
		row.track = Session:new_audio_track (row.region:n_channels (), outputs, nil, 1, free (row.name, is_track),
			ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true, false):front ()
		if config:get_strict_io () then row.track:set_strict_io (true) end
	end
end

local function set_fades (region, kind)
	if kind == "none" then
		region:set_fade_in_active (false)
		region:set_fade_out_active (false)
	elseif kind == "soft" then
		local most = region:length ():samples () // 4
		local length = math.min (most, math.floor (SOFT * Session:nominal_sample_rate ()))
		region:set_fade_in_length (length)
		region:set_fade_out_length (length)
	end
end

-- Put a row's region on its track, within the undo step that is open. Of several takes the first
-- is heard.
local function place (row, fades)
	local playlist = row.track:playlist ()
	playlist:to_stateful ():clear_changes ()
	local region = ARDOUR.RegionFactory.clone_region (row.region, true, false):to_audioregion ()
	region:set_name (row.track:name ())
	set_fades (region, fades)
	region:set_muted ((tonumber (row.name:match ("%(take (%d+)%)$")) or 1) > 1)
	playlist:add_region (region, Temporal.timepos_t (row.position), 1, false)
	Session:add_stateful_diff_command (playlist:to_statefuldestructible ())
	for placed in playlist:region_list ():iter () do row.id = id_of (placed) end
	local at = region:position ():samples ()
	if at ~= row.position then error (string.format ("%s came to %d, not %d", row.name, at, row.position), 0) end
end

local function starts (text, beginning)
	return text:sub (1, #beginning) == beginning
end

-- The last of the routes (in the editor's order) that a new track of this name belongs after: an
-- earlier take of the same stem, else another stem of the same source, else the source.
local function neighbour (routes, name)
	local source = name:match ("^(.*) %- ") or name
	local stem = name:gsub (" %(take %d+%)$", "")
	for _, beginning in ipairs ({ stem, source .. " - " }) do
		for index = #routes, 1, -1 do
			if starts (routes[index]:name (), beginning) then return index end
		end
	end
	for index, route in ipairs (routes) do
		if route:name () == source then return index end
	end
	return #routes
end

-- Move the new tracks, in their order, each after its neighbour.
local function arrange (rows)
	local is_new, all, routes = {}, {}, {}
	for _, row in ipairs (rows) do is_new[id_of (row.track)] = true end
	for route in Session:get_routes ():iter () do
		if not route:is_monitor () and not route:is_auditioner () then all[#all + 1] = route end
	end
	local function place_of (route) return route:presentation_info_ptr ():order () end
	table.sort (all, function (a, b) return place_of (a) < place_of (b) end)
	for _, route in ipairs (all) do
		if not is_new[id_of (route)] then routes[#routes + 1] = route end
	end
	for _, row in ipairs (rows) do
		table.insert (routes, neighbour (routes, row.name) + 1, row.track)
	end
	-- After each change the editor numbers its tracks anew, so that a place which is taken cannot be
	-- given: from the first that is out of order on, each goes to the end, one after the other.
	local moving = false
	for index, route in ipairs (routes) do
		moving = moving or id_of (route) ~= id_of (all[index])
		if moving then route:set_presentation_order (END + index) end
	end
end

-- Bring in rows { name, position (samples), file, frames (or nil) } on new tracks; each row gets its
-- `track` and the `id` of its region. All of it is one undo step, with what `besides` does.
--   fades   "none", "soft", or nil for Ardour's own
function tracks.import (label, rows, fades, besides)
	bring (rows)
	for _, row in ipairs (rows) do embed (row.inside) end
	find_regions (rows)
	make_tracks (rows)
	Session:begin_reversible_command ("bandmate: " .. label)
	local ok, problem = pcall (function ()
		for _, row in ipairs (rows) do place (row, fades) end
		besides ()
	end)
	Session:commit_reversible_command (nil)
	arrange (rows)
	if not ok then error (problem, 0) end
end

return tracks
